import type { Clock, Timer } from '../clock.ts';
import type { StoredEvent } from '../engine/engine.ts';
import { type Chunk, CRITICAL, HIGH, NORMAL, rankOf } from './chunk.ts';
import type { CursorSource, Dialect } from './dialect.ts';

export interface BatchOption {
  readonly maxEvents: number;
  readonly maxDelayMs: number;
}

export const DEFAULT_BATCH: BatchOption = { maxEvents: 10, maxDelayMs: 100 };

/** Data in a batch beyond which it is closed, in UTF-16 code units: what is gathered for a session is held for it. */
const MAX_BATCH_BYTES = 64 * 1024;

/** How long an event of high priority may wait, in ms. */
export const HIGH_WITHIN_MS = 100;

/** Something that gathers events for one batch option. */
export interface Gathering {
  /** Closes the batch that is being gathered, if there is one. */
  settle(batcher: Batcher): void;
}

/**
 * One batch option, shared by all sessions that asked for it: they gather in the same rhythm, so that those who got the
 * same events get the same batch, encoded once.
 */
export class Batcher {
  readonly option: BatchOption;
  /** Batches must be written whatever happens. */
  readonly kept: boolean;
  readonly empty: BatchChain = new BatchChain(undefined, undefined);
  readonly #clock: Clock;
  #gathering: Set<Gathering> = new Set();
  #dueMs = Number.POSITIVE_INFINITY;
  #timer: Timer | undefined = undefined;

  constructor(option: BatchOption, kept: boolean, clock: Clock) {
    this.option = option;
    this.kept = kept;
    this.#clock = clock;
  }

  /** Sees to it that a session which begins a batch will be asked to close it. */
  begin(gathering: Gathering): void {
    this.#gathering.add(gathering);
    this.#closeWithin(this.option.maxDelayMs);
  }

  /** Whether a batch is to be closed with the event that it was given last, which may also hasten its time. */
  closes({ event, length, bytes }: BatchChain): boolean {
    const rank = event === undefined ? NORMAL : rankOf(event.priority);
    if (rank === HIGH) this.#closeWithin(HIGH_WITHIN_MS);
    return rank === CRITICAL || length >= this.option.maxEvents || bytes >= MAX_BATCH_BYTES;
  }

  #closeWithin(delayMs: number): void {
    const dueMs = this.#clock.monotonic() + delayMs;
    if (dueMs >= this.#dueMs) return;
    this.#dueMs = dueMs;
    this.#timer?.cancel();
    this.#timer = this.#clock.after(delayMs, this.#close);
  }

  /** Whatever the clock says now: a timer may come a little before its time. */
  readonly #close = (): void => {
    this.#dueMs = Number.POSITIVE_INFINITY;
    const gathering = this.#gathering;
    this.#gathering = new Set();
    this.empty.forget();
    for (const each of gathering) each.settle(this);
  };
}

/** The events of a batch, as the end of a chain that sessions which got the same events share. */
export class BatchChain {
  readonly parent: BatchChain | undefined;
  readonly event: StoredEvent | undefined;
  readonly length: number;
  /** Of data, in UTF-16 code units. */
  readonly bytes: number;
  #next: BatchChain | undefined;
  readonly #chunks: (Chunk | undefined)[] = [];

  constructor(parent: BatchChain | undefined, event: StoredEvent | undefined) {
    this.parent = parent;
    this.event = event;
    this.length = parent === undefined ? 0 : parent.length + 1;
    this.bytes = (parent?.bytes ?? 0) + (event?.data.length ?? 0);
    this.#next = undefined;
  }

  with(event: StoredEvent): BatchChain {
    const next = this.#next;
    if (next !== undefined && next.event === event) return next;
    const link = new BatchChain(this, event);
    this.#next = link;
    return link;
  }

  forget(): void {
    this.#next = undefined;
  }

  /** The batch for one dialect, encoded at most once. */
  chunk(dialect: Dialect, kept: boolean): Chunk {
    const known = this.#chunks[dialect.index];
    if (known !== undefined) return known;
    const events: StoredEvent[] = [];
    for (let link: BatchChain = this; link.event !== undefined; link = link.parent as BatchChain)
      events.push(link.event);
    events.reverse();
    const starts = new Map<string, StoredEvent>();
    for (const event of events) if (!starts.has(event.topic)) starts.set(event.topic, event);
    const payloads = events.map((event) => dialect.eventPayload(event, NO_CURSOR));
    const chunk: Chunk = {
      bytes: dialect.frame(dialect.batchPayload(payloads) ?? ''),
      events: events.length,
      starts: [...starts.values()],
      rank: NORMAL,
      kept,
    };
    this.#chunks[dialect.index] = chunk;
    return chunk;
  }
}

/** Whether the clients of a dialect can be sent batches. */
export function takesBatches(dialect: Dialect): boolean {
  return !dialect.carriesCursor && dialect.batchPayload([]) !== undefined;
}

/** Dialects that take batches print no cursor. */
const NO_CURSOR: CursorSource = { cursorText: () => '' };
