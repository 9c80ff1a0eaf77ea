import { type Cursor, MillraceError } from '@millrace/protocol';
import type { Clock, Timer } from '../clock.ts';
import type { Engine, Following, StoredEvent } from '../engine/engine.ts';
import { CursorClock, cursorCovers } from '../hub/cursor-clock.ts';
import type { EncodedInput, Publisher } from '../session/publisher.ts';
import { type Mapping, ruleNameOf } from './mapping.ts';
import { PlaceLog } from './place-log.ts';

/** Events that wait to be mapped; beyond it they are read from the log when their turn comes. */
const MAX_WAITING = 10_000;
/** Events that are mapped together. */
const BATCH = 500;
const PAGE = { maxEvents: 500, maxBytes: 1024 * 1024 } as const;
/** How often the place is stored, in ms: after something was mapped, and when only others have passed. */
const SAVE_MS = 1_000;
const SAVE_IDLE_MS = 60_000;
const RETRY_MS = { first: 500, most: 30_000 } as const;

export interface BridgeCounters {
  /** Events that were published. */
  published: number;
  /** Events that the log refused: a topic that is none, data that breaks its schema. */
  refused: number;
  /** How often events had been removed, or the log lost, before they could be mapped. */
  lost: number;
}

export interface EntityBridgeOptions {
  readonly engine: Engine;
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly mapping: Mapping;
  /** What the rules may take, as topics and patterns. */
  readonly topics: readonly string[];
  readonly counters: BridgeCounters;
  readonly onError: (error: unknown, doing: string) => void;
}

/**
 * Maps the events of one entity as they are stored, each once: what is published bears the source's id in its key, and how far
 * it has come is stored after it was published, so that what a crash cuts off is read again and published no second time.
 */
export class EntityBridge {
  readonly #options: EntityBridgeOptions;
  readonly #entity: string;
  readonly #places: PlaceLog;
  /** Everything at or before it is mapped. */
  #cursor: CursorClock = new CursorClock({});
  /** Everything at or before it was heard of. */
  #heard: CursorClock = new CursorClock({});
  #waiting: StoredEvent[] = [];
  /** Something that was heard of is not among those that wait: the log has it. */
  #mustRead = false;
  #working: Promise<void> | undefined;
  #following: Following | undefined;
  #timers: Set<Timer> = new Set();
  #wake: (() => void) | undefined;
  #toSave: 'nothing' | 'passed' | 'mapped' = 'nothing';
  #savedAtMs = 0;
  /** The first of a row of failures was reported. */
  #refusing = false;
  #failing = false;
  /** The log could not be read, and is left alone for a while. */
  #resting = false;
  #closed = false;

  constructor(entity: string, options: EntityBridgeOptions) {
    this.#entity = entity;
    this.#options = options;
    this.#places = new PlaceLog(options.engine, options.publisher, entity);
  }

  /** Goes on where it stopped; else it begins now, or, where all of the log is new, at its beginning. */
  async start({ isNew }: { readonly isNew: boolean }): Promise<void> {
    const { engine } = this.#options;
    const stored = await this.#places.read();
    const early: (() => void)[] = [];
    let joined = false;
    const listen = (hear: () => void): void => void (joined ? hear() : early.push(hear));
    this.#following = await engine.follow(this.#entity, '*', {
      onEvents: (events) => listen(() => this.#hear(events)),
      onGap: (_reason, head) => listen(() => this.#hearGap(head)),
    });
    const { cursor } = this.#following;
    this.#heard = new CursorClock(cursor);
    this.#cursor = new CursorClock(stored === undefined ? cursor : goingOn(stored, cursor));
    this.#mustRead = stored !== undefined;
    if (stored === undefined) await this.#begin(cursor, isNew);
    if (this.#closed) {
      this.#following.stop();
      return;
    }
    joined = true;
    for (const hear of early) hear();
    this.#saveLater();
    this.#work();
  }

  /** Lets what is being published be stored, and how far that came. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#following?.stop();
    for (const timer of this.#timers) timer.cancel();
    this.#wake?.();
    await this.#working;
    await this.#save();
  }

  /** Remembers where it begins before it does: a crash in its first moments must not move that. */
  async #begin(head: Cursor, isNew: boolean): Promise<void> {
    const { engine, topics } = this.#options;
    if (isNew) {
      const page = await engine.readSince(this.#entity, topics, 'earliest', { maxEvents: 1 });
      this.#cursor = new CursorClock(page.ok ? page.start : head);
      this.#mustRead = true;
    }
    this.#toSave = 'mapped';
    await this.#save();
  }

  #hear(events: readonly StoredEvent[]): void {
    for (const event of events) {
      this.#heard.advance(event);
      if (this.#options.mapping.takes(event)) this.#waiting.push(event);
    }
    if (this.#waiting.length > MAX_WAITING) {
      this.#waiting = [];
      this.#mustRead = true;
    }
    this.#work();
  }

  #hearGap(head: Cursor): void {
    this.#heard.moveTo(head);
    this.#mustRead = true;
    this.#work();
  }

  #work(): void {
    if (this.#working !== undefined || this.#resting || this.#closed) return;
    this.#working = this.#mapAll()
      .then(
        () => {
          this.#failing = false;
        },
        (error: unknown) => this.#tryLater(error),
      )
      .then(() => {
        this.#working = undefined;
        // What came while it ended.
        if (this.#waiting.length > 0 || this.#mustRead) this.#work();
      });
  }

  /** The log cannot be read: whatever was under way is read again. */
  #tryLater(error: unknown): void {
    if (this.#closed) return;
    if (!this.#failing) this.#options.onError(error, 'mapping events');
    this.#failing = true;
    this.#mustRead = true;
    this.#resting = true;
    this.#after(RETRY_MS.most, () => {
      this.#resting = false;
      this.#work();
    });
  }

  async #mapAll(): Promise<void> {
    while (!this.#closed) {
      if (this.#mustRead) await this.#readOn();
      else if (this.#waiting.length > 0) await this.#mapWaiting();
      else break;
    }
    if (this.#closed) return;
    this.#cursor.moveTo(this.#heard.now());
    if (this.#toSave === 'nothing') this.#toSave = 'passed';
  }

  async #mapWaiting(): Promise<void> {
    const events = this.#waiting.splice(0, BATCH);
    if (await this.#map(events)) for (const event of events) this.#cursor.advance(event);
  }

  /** One page of the log, behind what is mapped. */
  async #readOn(): Promise<void> {
    const { engine, topics, counters, onError } = this.#options;
    this.#mustRead = false;
    const page = await engine.readSince(this.#entity, topics, this.#cursor.now(), PAGE);
    if (!page.ok) {
      counters.lost++;
      onError(
        new Error(`events of the entity are gone (${page.reason}) before they were mapped`),
        'mapping events',
      );
      this.#cursor = new CursorClock(page.head);
    } else {
      if (!(await this.#map(page.events))) return;
      this.#cursor.moveTo(page.cursor);
      if (page.behind > 0) this.#mustRead = true;
    }
    const cursor = this.#cursor.now();
    this.#waiting = this.#waiting.filter((event) => !cursorCovers(cursor, event));
  }

  /** Resolves when all that comes of the events is stored, with whether it is: closing cuts it off. */
  async #map(events: readonly StoredEvent[]): Promise<boolean> {
    const inputs = events.flatMap((event) => this.#options.mapping.of(event));
    if (inputs.length === 0) return true;
    if (!(await this.#publish(inputs))) return false;
    this.#toSave = 'mapped';
    return true;
  }

  async #publish(inputs: readonly EncodedInput[]): Promise<boolean> {
    const { publisher, counters, onError } = this.#options;
    let left = inputs;
    for (
      let delayMs: number = RETRY_MS.first;
      !this.#closed;
      delayMs = Math.min(delayMs * 2, RETRY_MS.most)
    ) {
      const outcomes = await publisher.publishInternally(this.#entity, left);
      const failed = outcomes.map((outcome) => (outcome instanceof MillraceError ? outcome : undefined));
      const again = left.filter((_, i) => failed[i]?.retryable === true);
      const refused = left.filter((_, i) => failed[i]?.retryable === false);
      counters.refused += refused.length;
      counters.published += left.length - refused.length - again.length;
      this.#noteRefused(
        refused[0],
        failed.find((error) => error?.retryable === false),
      );
      if (again.length === 0) return true;
      if (delayMs === RETRY_MS.first)
        onError(
          failed.find((error) => error?.retryable),
          'publishing mapped events',
        );
      // A topic's order holds, also of those that follow.
      left = again;
      await this.#pause(delayMs);
    }
    return false;
  }

  /** The first of a row is reported. */
  #noteRefused(input: EncodedInput | undefined, error: MillraceError | undefined): void {
    if (input !== undefined && !this.#refusing) {
      this.#options.onError(error, `publishing what the bridge rule "${ruleNameOf(input)}" made`);
    }
    this.#refusing = input !== undefined;
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#after(delayMs, resolve);
    });
  }

  #saveLater(): void {
    this.#after(SAVE_MS, () => {
      const idleMs = this.#options.clock.monotonic() - this.#savedAtMs;
      const due = this.#toSave === 'mapped' || (this.#toSave === 'passed' && idleMs >= SAVE_IDLE_MS);
      void (due ? this.#save() : Promise.resolve()).then(() => {
        if (!this.#closed) this.#saveLater();
      });
    });
  }

  async #save(): Promise<void> {
    if (this.#toSave === 'nothing') return;
    this.#toSave = 'nothing';
    this.#savedAtMs = this.#options.clock.monotonic();
    try {
      await this.#places.write(this.#cursor.now());
    } catch (error) {
      this.#toSave = 'mapped';
      if (!this.#closed) this.#options.onError(error, 'storing how far the bridge has come');
    }
  }

  #after(delayMs: number, task: () => void): void {
    const timer = this.#options.clock.after(delayMs, () => {
      this.#timers.delete(timer);
      task();
    });
    this.#timers.add(timer);
  }
}

/** The stored place, as far as the engines are still the same; a live engine begins anew with each start of the server. */
function goingOn(stored: Cursor, head: Cursor): Cursor {
  const { live, durable } = head;
  return {
    ...(live && { live: stored.live?.epoch === live.epoch ? stored.live : live }),
    ...(durable && { durable: stored.durable?.epoch === durable.epoch ? stored.durable : durable }),
  };
}
