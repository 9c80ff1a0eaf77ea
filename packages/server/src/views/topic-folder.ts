import type { Catalog } from '@millrace/catalog';
import { type Cursor, MillraceError, type Position, type RecoveryFailure } from '@millrace/protocol';
import type { Clock } from '../clock.ts';
import type { Engine, ReadFrom, StoredEvent } from '../engine/engine.ts';
import { cursorCovers } from '../hub/cursor-clock.ts';
import type { EntityFeed } from '../hub/entity-feed.ts';
import type { Snapshot } from '../hub/snapshot.ts';
import type { FoldBudget } from './fold-budget.ts';
import { FoldedState, type PlaceInLog } from './folded-state.ts';
import type { PatternRound } from './pattern-round.ts';
import type { StoredStates } from './stored-states.ts';
import { SharedWork, TaskChain } from './task-chain.ts';

/** What is read, and held in memory, at a time. */
const PAGE = { maxEvents: 512, maxBytes: 256 * 1024 } as const;

/** What a topic costs in memory beside its state, roughly. */
const OVERHEAD_BYTES = 1024;

/** Events between two looks at the clock: an event may be long. */
const SLICE = 8;

/** A state is stored once so many events follow the one that is stored. */
const STORE_EVERY = 1000;

/** How long a view that failed is not tried again on the same topic, in ms. */
const FAILED_FOR_MS = 10_000;

/** A state has been folded beyond the cursor that a snapshot was asked of. */
export class AheadError extends Error {}

/** What the folders of all topics share. */
export interface FolderHost {
  readonly engine: Engine;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly budget: FoldBudget;
  readonly stored: StoredStates;
  readonly counters: ViewCounters;
  feedOf(entity: string): EntityFeed | undefined;
  /** Rounds under way, in the order of their cursors. */
  roundsOf(entity: string): Iterable<PatternRound>;
  onError(error: unknown, doing: string): void;
}

/** Plain counters. */
export interface ViewCounters {
  foldedEvents: number;
  snapshots: number;
  storedStates: number;
  /** Folds that a view's exception ended. */
  failures: number;
}

/**
 * Folds one topic, step by step in the order in which it is asked, so that the state never goes back. It goes no further
 * than live delivery has come, and takes the snapshots of rounds under way in passing: that is what makes those exact.
 */
export class TopicFolder {
  readonly entity: string;
  readonly topic: string;
  readonly #host: FolderHost;
  readonly #chain: TaskChain = new TaskChain();
  readonly #latest: SharedWork<Snapshot>;
  #state: FoldedState | undefined;
  #snapshot: Snapshot | undefined;
  /** Of what is stored. */
  #stored: Position | undefined;
  #storing: Promise<void> | undefined;
  #failure: { readonly error: MillraceError; readonly untilMs: number } | undefined;

  constructor(entity: string, topic: string, host: FolderHost) {
    this.entity = entity;
    this.topic = topic;
    this.#host = host;
    this.#latest = new SharedWork(this.#chain, () => this.#foldToNow());
    this.#state = undefined;
    this.#snapshot = undefined;
    this.#stored = undefined;
    this.#storing = undefined;
    this.#failure = undefined;
  }

  get busy(): boolean {
    return this.#chain.busy;
  }

  /** Memory that it holds, roughly: the state as an object costs about twice its text. */
  get bytes(): number {
    const { state = '', bytes = 0 } = this.#snapshot ?? {};
    return OVERHEAD_BYTES + 2 * state.length + bytes;
  }

  /** A snapshot that holds at least what live delivery has handed out by now. */
  latest(): Promise<Snapshot> {
    return this.#latest.ask();
  }

  /** The snapshot of what the round's cursor covers. Rejects with an {@link AheadError} when it is too late for it. */
  at(round: PatternRound): Promise<Snapshot> {
    return this.#chain.run(async () => {
      const { entity, topic } = this;
      const feed = this.#host.feedOf(entity);
      for (const each of [...this.#host.roundsOf(entity)]) {
        if (each === round) break;
        if (each.lacks(topic)) await this.#takeFor(each, feed);
      }
      return round.taken(topic) ?? this.#foldTo(round.cursor, feed, { exactly: true });
    });
  }

  /** Stores the state as of now, unless it is stored already; resolves with the position of what is stored. */
  storeLatest(): Promise<Position> {
    return this.#chain.run(async () => {
      const { position } = await this.#foldToNow();
      await this.#storing;
      if (this.#after(position) > 0) await this.#store(this.#state as FoldedState);
      return position;
    });
  }

  /** The topic was deleted: what is known of it is not to be shown again. */
  forget(): Promise<void> {
    return this.#chain.run(async () => {
      this.#reset();
      this.#failure = undefined;
    });
  }

  async #foldToNow(): Promise<Snapshot> {
    const { entity, topic } = this;
    const feed = this.#host.feedOf(entity);
    const cursor = feed?.cursor.now() ?? (await this.#host.engine.cursor(entity));
    for (const round of [...this.#host.roundsOf(entity)]) {
      if (round.lacks(topic)) await this.#takeFor(round, feed);
    }
    return this.#foldTo(cursor, feed, { exactly: false });
  }

  /** What goes wrong is the round's, which asks again itself. */
  async #takeFor(round: PatternRound, feed: EntityFeed | undefined): Promise<void> {
    try {
      round.take(await this.#foldTo(round.cursor, feed, { exactly: true }));
    } catch (error) {
      if (!(error instanceof AheadError)) throw error;
    }
  }

  async #foldTo(
    cursor: Cursor,
    feed: EntityFeed | undefined,
    { exactly }: { readonly exactly: boolean },
  ): Promise<Snapshot> {
    this.#throwKnownFailure();
    try {
      this.#state ??= await this.#begin();
      if (this.#state.isWithin(cursor)) await this.#readUpTo(cursor, feed);
      if (exactly && !this.#state.isWithin(cursor)) throw new AheadError(this.topic);
      this.#snapshot = this.#state.snapshot(this.#host.clock.now());
      this.#storeIfDue(this.#state);
      return this.#snapshot;
    } catch (error) {
      if (error instanceof AheadError) throw error;
      this.#reset();
      this.#rememberFailure(error);
      throw error;
    }
  }

  async #begin(): Promise<FoldedState> {
    const { catalog, stored } = this.#host;
    const at = await stored.load(this.entity, this.topic, catalog.viewOf(this.topic));
    this.#stored = at?.position;
    return new FoldedState(this.topic, catalog, at);
  }

  async #readUpTo(cursor: Cursor, feed: EntityFeed | undefined): Promise<void> {
    for (;;) {
      await this.#host.budget.spent();
      const state = this.#state as FoldedState;
      const page = this.#readRecent(state, feed) ?? (await this.#readLog(state));
      if (page === undefined) continue;
      const reached = await this.#foldPage(state, page.events, cursor);
      if (reached || !page.more) return;
    }
  }

  /** False when the cursor does not cover all of them. */
  async #foldPage(state: FoldedState, events: readonly StoredEvent[], cursor: Cursor): Promise<boolean> {
    const { budget, counters } = this.#host;
    for (let i = 0; i < events.length; i++) {
      if (i % SLICE === SLICE - 1) await budget.spent();
      const event = events[i] as StoredEvent;
      if (!cursorCovers(cursor, event)) return true;
      state.fold(event);
      counters.foldedEvents++;
    }
    return false;
  }

  #readRecent({ position }: FoldedState, feed: EntityFeed | undefined): EventPage | undefined {
    const recent = position && feed?.readTopic(this.topic, position, PAGE);
    return recent && { events: recent.entries.map(({ event }) => event), more: recent.more };
  }

  /** `undefined` when the state cannot be continued from the log, and another one took its place. */
  async #readLog(state: FoldedState): Promise<EventPage | undefined> {
    const page = await this.#host.engine.read(this.entity, this.topic, fromOf(state), PAGE);
    if (!page.ok) {
      this.#startAnew(state, page.reason);
      return undefined;
    }
    const { events, position, behind } = page;
    if (state.position === undefined) {
      const [first] = events;
      const before = first === undefined ? position : { epoch: first.epoch, offset: first.offset - 1 };
      state.beginAt(before, before.offset === 0 ? undefined : await this.#lastTaken());
    }
    return { events, more: behind > 0 };
  }

  async #lastTaken(): Promise<PlaceInLog | undefined> {
    const head = await this.#host.engine.head(this.entity, this.topic);
    return head && { slot: head.slot, partition: head.partition, seq: head.trimmedSeq };
  }

  /** Events between the state and the oldest event kept are lost. A view of more than the newest keeps what it has of them. */
  #startAnew(state: FoldedState, reason: RecoveryFailure): void {
    if (reason === 'expired' && state.view.holdsLog) {
      state.skipToOldest();
      return;
    }
    this.#stored = undefined;
    this.#state = new FoldedState(this.topic, this.#host.catalog);
  }

  /** Nobody waits for it; what fails is tried again with the next fold. */
  #storeIfDue(state: FoldedState): void {
    if (state.position === undefined || this.#storing !== undefined) return;
    if (this.#after(state.position) <= STORE_EVERY) return;
    const storing = this.#store(state).catch((error: unknown) => {
      this.#host.onError(error, `storing the state of topic ${this.topic}`);
    });
    this.#storing = storing.finally(() => {
      this.#storing = undefined;
    });
  }

  async #store(state: FoldedState): Promise<void> {
    const { stored, counters, clock } = this.#host;
    const { view, last } = state;
    const snapshot = state.snapshot(clock.now());
    await stored.store(this.entity, { snapshot, version: view.version, last });
    this.#stored = snapshot.position;
    counters.storedStates++;
  }

  /** How many events the stored state does not have. */
  #after({ epoch, offset }: Position): number {
    return this.#stored?.epoch === epoch ? offset - this.#stored.offset : offset;
  }

  #reset(): void {
    this.#state = undefined;
    this.#snapshot = undefined;
    this.#stored = undefined;
  }

  #throwKnownFailure(): void {
    if (this.#failure === undefined) return;
    if (this.#host.clock.monotonic() < this.#failure.untilMs) throw this.#failure.error;
    this.#failure = undefined;
  }

  /** That a view fails is certain until somebody changes it; it is not worth reading a long log again for everyone who asks. */
  #rememberFailure(error: unknown): void {
    if (!(error instanceof MillraceError) || error.retryable) return;
    const { clock, counters, onError } = this.#host;
    this.#failure = { error, untilMs: clock.monotonic() + FAILED_FOR_MS };
    counters.failures++;
    onError(error, `folding the topic ${this.topic} of entity ${this.entity}`);
  }
}

interface EventPage {
  readonly events: readonly StoredEvent[];
  readonly more: boolean;
}

function fromOf({ position, last }: FoldedState): ReadFrom {
  if (position === undefined) return { earliest: true };
  return { after: position, ...(last?.offset === position.offset && { id: last.id }) };
}
