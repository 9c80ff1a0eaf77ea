import { type Cursor, IDEMPOTENCY_WINDOW_MS, MillraceError, type Position } from '@millrace/protocol';
import type { Clock, Timer, Turns } from '../clock.ts';
import { ConsumerTable } from './consumers.ts';
import {
  type AppendRequest,
  type AppendResult,
  type ConsumerState,
  type Engine,
  type EngineSlot,
  type Following,
  type FollowListener,
  type HoldOf,
  isCursor,
  type Lease,
  type LeaseOptions,
  type LeaseResult,
  type LogHold,
  type ReadFrom,
  type ReadLimit,
  type ReadResult,
  type ReadSinceFrom,
  type ReadSinceResult,
  type Retention,
  type StoredEvent,
  type TopicHead,
} from './engine.ts';
import type { EntityState } from './entity-state.ts';
import { createEventIds, randomBase36 } from './event-id.ts';
import { EventRing } from './event-ring.ts';
import { LeaseTable } from './leases.ts';
import { type CommittedBatch, Ledger } from './ledger.ts';
import { LiveFeed } from './live-feed.ts';
import {
  indexAfterSeq,
  indexAtTime,
  mergeRuns,
  pageOf,
  type Run,
  seqBeforeNewest,
  seqBeforeTime,
} from './memory-pages.ts';
import type { TopicState } from './topic-state.ts';

export interface MemoryEngineOptions {
  readonly clock: Clock;
  /** When followers are called. */
  readonly turns: Turns;
  /** What is kept of a topic; asked once in a topic's life. */
  readonly retention: (topic: string, entity: string) => Retention;
  readonly holdOf?: HoldOf | undefined;
  /** Which place the engine takes in cursors. `live` when missing. */
  readonly slot?: EngineSlot;
  /** The engine's epoch; a random one when missing, since no engine remembers what another held. */
  readonly epoch?: string;
  readonly newId?: () => string;
  /** How often old events are looked for. 1 s when missing. */
  readonly sweepIntervalMs?: number;
  /** How long a topic that holds no events must have been silent to be forgotten. The idempotency window when missing. */
  readonly forgetAfterMs?: number;
  /** Gets what followers throw. */
  readonly onError: (error: unknown) => void;
  /** Stands between commits and followers; for tests that lose, delay and reorder notifications. */
  readonly bus?: (batch: CommittedBatch, deliver: (batch: CommittedBatch) => void) => void;
}

/** What the memory engine keeps of a topic, beside what the ledger knows. */
interface Kept {
  readonly ring: EventRing;
  readonly retention: Retention;
  /** `undefined` until retention wants to trim, `null` where nothing holds the log. */
  hold: LogHold | null | undefined;
  /** As far as the hold has said. */
  mayTrim: number;
}

/** An engine that holds everything in this process's memory, and loses it with the process. */
export function createMemoryEngine(options: MemoryEngineOptions): Engine {
  return new MemoryEngine(options);
}

class MemoryEngine implements Engine {
  readonly #clock: Clock;
  readonly #retention: (topic: string, entity: string) => Retention;
  readonly #holdOf: HoldOf | undefined;
  readonly #sweepIntervalMs: number;
  readonly #forgetAfterMs: number;
  readonly #ledger: Ledger<Kept>;
  readonly #leases: LeaseTable;
  readonly #consumers = new ConsumerTable();
  readonly #feed: LiveFeed;
  readonly #notify: (batch: CommittedBatch) => void;
  #sweeper: Timer;
  #closed = false;

  constructor(options: MemoryEngineOptions) {
    const { clock, slot = 'live', turns, bus, onError } = options;
    this.#clock = clock;
    this.#retention = options.retention;
    this.#holdOf = options.holdOf;
    this.#sweepIntervalMs = options.sweepIntervalMs ?? 1000;
    this.#forgetAfterMs = options.forgetAfterMs ?? IDEMPOTENCY_WINDOW_MS;
    this.#ledger = new Ledger<Kept>({
      slot,
      epoch: options.epoch ?? randomBase36(6),
      newId: options.newId ?? createEventIds(),
    });
    this.#leases = new LeaseTable(clock);
    this.#feed = new LiveFeed({ slot, log: this, clock, turns, onError });
    const deliver = (batch: CommittedBatch) => this.#feed.notify(batch);
    this.#notify = bus === undefined ? deliver : (batch) => bus(batch, deliver);
    this.#sweeper = clock.after(this.#sweepIntervalMs, this.#sweep);
  }

  append(requests: readonly AppendRequest[]): Promise<readonly AppendResult[]> {
    if (this.#closed) {
      const refusal = { status: 'failed', code: 'unavailable', message: 'the engine is closed' } as const;
      return Promise.resolve(requests.map(() => refusal));
    }
    const plan = this.#ledger.plan(requests, this.#clock.now());
    const batches = plan.commit();
    const { events, topics } = plan;
    for (let i = 0; i < events.length; i++) {
      const event = events[i] as StoredEvent;
      const topic = topics[i] as TopicState<Kept>;
      topic.own ??= {
        ring: new EventRing(),
        retention: this.#retention(topic.topic, event.entity),
        hold: undefined,
        mayTrim: 0,
      };
      topic.own.ring.push(event);
    }
    // Once all are in their rings: the ledger's figures already count every one of them.
    for (let i = 0; i < events.length; i++) {
      this.#trim((events[i] as StoredEvent).entity, topics[i] as TopicState<Kept>);
    }
    for (const batch of batches) this.#notify(batch);
    return Promise.resolve(plan.results);
  }

  async read(entity: string, topic: string, from: ReadFrom, limit: ReadLimit): Promise<ReadResult> {
    this.#assertOpen();
    const state = this.#ledger.topic(entity, topic);
    const head = this.#ledger.position(entity, topic);
    const seq = this.#ledger.entity(entity)?.lastSeq ?? 0;
    const sealed = state?.sealed ?? false;
    if ('after' in from) {
      const since = this.#ledger.since(entity, topic, from.after);
      if (!since.ok) return { ok: false, reason: since.reason, head, seq, sealed };
      // A position of a topic that does not exist stays good until it does, however much happens before.
      if (state === undefined)
        return { ok: true, events: [], position: from.after, behind: 0, head, seq, sealed };
      const last =
        since.after >= state.firstOffset ? ringOf(state).at(since.after - state.firstOffset) : undefined;
      if (from.id !== undefined && last !== undefined && last.id !== from.id) {
        return { ok: false, reason: 'epoch', head, seq, sealed };
      }
      return page(state, since.after + 1 - state.firstOffset, limit, { head, seq });
    }
    if (state === undefined) return { ok: true, events: [], position: head, behind: 0, head, seq, sealed };
    const ring = ringOf(state);
    if ('last' in from) return page(state, Math.max(0, ring.length - from.last), limit, { head, seq });
    return page(state, 'time' in from ? indexAtTime(ring, from.time) : 0, limit, { head, seq });
  }

  async readSince(
    entity: string,
    patterns: readonly string[],
    from: ReadSinceFrom,
    limit: ReadLimit,
  ): Promise<ReadSinceResult> {
    this.#assertOpen();
    const since = this.#ledger.sinceCursor(entity, patterns, from);
    if (!since.ok) return { ok: false, reason: since.reason, head: this.#ledger.cursor(entity) };
    const state = this.#ledger.entity(entity);
    const after = state === undefined || isCursor(from) ? since.after : seqBefore(state, patterns, from);
    const runs: Run[] = [];
    let available = 0;
    for (const topic of state?.topicsAfter(after, patterns) ?? []) {
      const ring = ringOf(topic);
      const index = indexAfterSeq(ring, after);
      if (index === ring.length) continue;
      available += ring.length - index;
      runs.push({ ring, index });
    }
    const events = mergeRuns(runs, limit);
    const behind = available - events.length;
    const seq = behind === 0 ? undefined : events.at(-1)?.seq;
    const start = this.#ledger.cursor(entity, after, since.waived);
    return { ok: true, events, start, cursor: this.#ledger.cursor(entity, seq, since.waived), behind };
  }

  follow(entity: string, pattern: string, listener: FollowListener): Promise<Following> {
    return this.#feed.follow(entity, pattern, listener);
  }

  async cursor(entity: string): Promise<Cursor> {
    this.#assertOpen();
    return this.#ledger.cursor(entity);
  }

  async head(entity: string, topic: string): Promise<TopicHead | undefined> {
    this.#assertOpen();
    return this.#ledger.topic(entity, topic)?.head(this.#ledger.slot);
  }

  async topics(
    entity: string,
    pattern: string,
    page: { after?: string; limit?: number } = {},
  ): Promise<readonly TopicHead[]> {
    this.#assertOpen();
    const found = this.#ledger.entity(entity)?.list(pattern, page.after ?? '', page.limit ?? Infinity) ?? [];
    return found.map((topic) => topic.head(this.#ledger.slot));
  }

  async entities(): Promise<readonly string[]> {
    this.#assertOpen();
    return this.#ledger.entitiesWithTopics();
  }

  async trim(entity: string, topic: string, upTo: number): Promise<void> {
    this.#assertOpen();
    const state = this.#ledger.topic(entity, topic);
    if (state !== undefined) this.#trim(entity, state, upTo);
  }

  async delete(entity: string, topic: string): Promise<boolean> {
    this.#assertOpen();
    const state = this.#ledger.topic(entity, topic);
    if (state === undefined) return false;
    const { batch } = this.#ledger.delete(entity, state);
    this.#consumers.remove(entity, topic);
    this.#notify(batch);
    return true;
  }

  async acquireLease(
    entity: string,
    name: string,
    owner: string,
    ttlMs: number,
    options?: LeaseOptions,
  ): Promise<LeaseResult> {
    this.#assertOpen();
    return this.#leases.acquire(entity, name, owner, ttlMs, options);
  }

  async renewLease(entity: string, name: string, owner: string, ttlMs: number): Promise<boolean> {
    this.#assertOpen();
    return this.#leases.renew(entity, name, owner, ttlMs);
  }

  async releaseLease(entity: string, name: string, owner: string): Promise<boolean> {
    this.#assertOpen();
    return this.#leases.release(entity, name, owner);
  }

  async leaseHolders(entity: string, name: string): Promise<readonly Lease[]> {
    this.#assertOpen();
    return this.#leases.holders(entity, name);
  }

  async consumers(entity: string, topic: string): Promise<readonly string[]> {
    this.#assertOpen();
    return this.#consumers.names(entity, topic);
  }

  async consumer(entity: string, topic: string, name: string): Promise<ConsumerState | undefined> {
    this.#assertOpen();
    return this.#consumers.get(entity, topic, name);
  }

  async setConsumer(
    entity: string,
    topic: string,
    name: string,
    expectedVersion: number,
    next: Omit<ConsumerState, 'version'>,
  ): Promise<{ readonly stored: boolean; readonly state: ConsumerState | undefined }> {
    this.#assertOpen();
    return this.#consumers.compareAndSet(entity, topic, name, expectedVersion, next);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#sweeper.cancel();
    this.#feed.close();
  }

  readonly #sweep = (): void => {
    const now = this.#clock.now();
    for (const entity of this.#ledger.entities()) {
      for (const topic of entity.topics.values()) {
        const { maxAgeMs = Infinity } = topic.own?.retention ?? {};
        this.#trim(entity.entity, topic, 0, now - maxAgeMs);
        if (topic.count > 0) {
          topic.own?.ring.shrink();
        } else if (now - topic.timestamp >= this.#forgetAfterMs) {
          this.#ledger.forget(entity.entity, topic);
          this.#consumers.remove(entity.entity, topic.topic);
        }
      }
    }
    this.#leases.sweep();
    this.#sweeper = this.#clock.after(this.#sweepIntervalMs, this.#sweep);
  };

  /** Drops the oldest events while they are too many, too large, at or before an offset, or from before a time (ms). */
  #trim(entity: string, topic: TopicState<Kept>, upTo: number = 0, oldestTime: number = -Infinity): void {
    const kept = topic.own;
    if (kept === undefined) return;
    const { ring } = kept;
    const { maxEvents = Infinity, maxBytes = Infinity } = kept.retention;
    let { bytes, trimmedSeq } = topic;
    const before = ring.length;
    while (ring.length > 0) {
      const oldest = ring.at(0);
      if (oldest.offset > upTo) {
        const due = oldest.timestamp < oldestTime || ring.length > maxEvents || bytes > maxBytes;
        if (!due || this.#isHeld(entity, topic, kept, oldest.offset)) break;
      }
      bytes -= oldest.data.length;
      trimmedSeq = oldest.seq;
      ring.shift();
    }
    const dropped = before - ring.length;
    if (dropped > 0) this.#ledger.trim(entity, topic, topic.firstOffset + dropped, trimmedSeq, bytes);
  }

  #isHeld(entity: string, topic: TopicState<Kept>, kept: Kept, offset: number): boolean {
    if (kept.hold === undefined) kept.hold = this.#holdOf?.(entity, topic.topic, topic.epoch) ?? null;
    if (kept.hold === null || offset <= kept.mayTrim) return false;
    kept.mayTrim = kept.hold.mayTrim(offset, topic.offset);
    return offset > kept.mayTrim;
  }

  #assertOpen(): void {
    if (this.#closed) throw new MillraceError('unavailable', 'the engine is closed');
  }
}

/** A topic that exists has a ring since its first append. */
function ringOf(topic: TopicState<Kept>): EventRing {
  return (topic.own as Kept).ring;
}

/** The seq before the first event of a page that begins otherwise than after a cursor. */
function seqBefore(
  state: EntityState<Kept>,
  patterns: readonly string[],
  from: Exclude<ReadSinceFrom, Cursor>,
): number {
  if (from === 'earliest') return 0;
  const rings = state.topicsAfter(0, patterns).map(ringOf);
  const kept = rings.filter((ring) => ring.length > 0);
  return 'last' in from
    ? seqBeforeNewest(kept, from.last, state.lastSeq)
    : seqBeforeTime(kept, from.time, state.lastSeq);
}

function page(
  topic: TopicState<Kept>,
  index: number,
  limit: ReadLimit,
  { head, seq }: { head: Position; seq: number },
): ReadResult {
  const ring = ringOf(topic);
  const events = pageOf(ring, index, limit);
  const offset = topic.firstOffset + index + events.length - 1;
  const behind = topic.offset - offset;
  return {
    ok: true,
    events,
    position: { epoch: topic.epoch, offset },
    behind,
    head,
    seq: behind === 0 ? seq : (events.at(-1)?.seq ?? 0),
    sealed: topic.sealed,
  };
}
