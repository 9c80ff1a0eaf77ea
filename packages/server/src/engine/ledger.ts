import type { Cursor, EngineCursor, Position, RecoveryFailure } from '@millrace/protocol';
import {
  type AppendRequest,
  type AppendResult,
  type EngineSlot,
  isCursor,
  type ReadSinceFrom,
  type StoredEvent,
} from './engine.ts';
import { EntityState } from './entity-state.ts';
import { randomBase36 } from './event-id.ts';
import type { FirstAppend } from './key-segment.ts';
import { answerUnstored, type CommittedBatch, OpenPlan, type Plan } from './plan.ts';
import type { Tombstone, Watermark } from './tombstones.ts';
import { TopicState } from './topic-state.ts';

export type { CommittedBatch, Plan };

export interface LedgerOptions {
  readonly slot: EngineSlot;
  /** The engine's own epoch: short, of `A-Z a-z 0-9`, new whenever this may be another log than before. */
  readonly epoch: string;
  /** Gives event ids that are unique in the deployment. */
  readonly newId: () => string;
  /** How many removed topics an entity remembers by name. */
  readonly maxTombstones?: number;
}

/** A topic as an engine finds it in its storage at start. */
export interface RestoredTopic {
  readonly entity: string;
  readonly topic: string;
  readonly birthSeq: number;
  readonly offset: number;
  readonly firstOffset: number;
  readonly timestamp: number;
  readonly bytes: number;
  readonly sealed: boolean;
  readonly lastSeq: number;
  readonly trimmedSeq: number;
  readonly fences?: Iterable<readonly [name: string, token: number]>;
}

export type SinceResult =
  | { readonly ok: true; readonly after: number }
  | { readonly ok: false; readonly reason: RecoveryFailure };

export type SinceCursorResult =
  | {
      readonly ok: true;
      readonly after: number;
      /** The tick at which the reader began otherwise than after a cursor: what was lost before is no failure. */
      readonly waived: number;
    }
  | { readonly ok: false; readonly reason: RecoveryFailure };

/**
 * The state machine of an engine that lives in one process: which topics there are, what their heads are, and what an
 * append would do. It holds no events and does no I/O; memory and SQLite share it.
 *
 * `seq` counts over all entities, in one partition. A topic's epoch is the engine's epoch and the seq of its first
 * event, so a topic that is born again never meets a position of its former life, and nothing need be stored for that.
 */
export class Ledger<Own = undefined> {
  readonly slot: EngineSlot;
  readonly epoch: string;
  readonly #newId: () => string;
  readonly #maxTombstones: number | undefined;
  readonly #entities = new Map<string, EntityState<Own>>();
  /** Plans that are not settled, oldest first. */
  #open: OpenPlan<Own>[] = [];
  #seq = 0;
  /** Moves on when a reader begins otherwise than after a cursor, so that what was lost before can be told from what is lost since. */
  #tick = 0;
  /** What a cursor's epoch begins with when it waives something; of this run only. */
  readonly #waiverPrefix: string;

  constructor(options: LedgerOptions) {
    this.slot = options.slot;
    this.epoch = options.epoch;
    this.#newId = options.newId;
    this.#waiverPrefix = `${options.epoch}-${randomBase36(4)}-`;
    this.#maxTombstones = options.maxTombstones;
  }

  /** The last seq given out; it never goes back, not even when a plan is rolled back. */
  get seq(): number {
    return this.#seq;
  }

  entity(name: string): EntityState<Own> | undefined {
    return this.#entities.get(name);
  }

  entities(): Iterable<EntityState<Own>> {
    return this.#entities.values();
  }

  /** Names of the entities with a topic that exists for readers. */
  entitiesWithTopics(): string[] {
    const names: string[] = [];
    for (const entity of this.#entities.values()) if (entity.holdsTopics) names.push(entity.entity);
    return names;
  }

  /** A topic that exists for readers: one with at least one committed event. */
  topic(entity: string, topic: string): TopicState<Own> | undefined {
    return this.#entities.get(entity)?.topic(topic);
  }

  /** Decides on appends at wall-clock time `now` (ms). */
  plan(requests: readonly AppendRequest[], now: number): Plan<Own> {
    const plan = new OpenPlan<Own>(this.#commit, this.#rollback);
    for (let i = 0; i < requests.length; i++) {
      const request = requests[i] as AppendRequest;
      const topic = this.#entities.get(request.entity)?.topics.get(request.topic);
      const answer = topic === undefined ? this.#refuseUnborn(request) : answerUnstored(topic, request);
      plan.results.push(answer ?? this.#accept(plan, request, topic, now));
    }
    this.#open.push(plan);
    return plan;
  }

  #accept(
    plan: OpenPlan<Own>,
    request: AppendRequest,
    existing: TopicState<Own> | undefined,
    now: number,
  ): AppendResult {
    const seq = ++this.#seq;
    const topic = existing ?? this.#bear(request, seq);
    const offset = topic.plannedOffset + 1;
    const timestamp = now > topic.plannedTimestamp ? now : topic.plannedTimestamp;
    const sealed = request.seal === true;
    const { epoch } = topic;
    const id = this.#newId();
    topic.plannedOffset = offset;
    topic.plannedTimestamp = timestamp;
    topic.plannedSealed = sealed;
    if (request.idempotencyKey !== undefined)
      topic.remember(request.idempotencyKey, { offset, seq, id, timestamp });
    if (request.fence !== undefined) plan.raiseFence(topic, request.fence.name, request.fence.token);
    plan.requests.push(request);
    plan.topics.push(topic);
    plan.events.push({
      entity: request.entity,
      topic: request.topic,
      epoch,
      offset,
      slot: this.slot,
      partition: 0,
      seq,
      id,
      event: request.event,
      timestamp,
      data: request.data,
      source: request.source,
      key: request.key,
      priority: request.priority ?? 'normal',
      sealed,
    });
    return { status: 'stored', position: { epoch, offset }, id, seq, timestamp, duplicate: false };
  }

  #refuseUnborn(request: AppendRequest): AppendResult | undefined {
    const { expect } = request;
    if (expect === undefined) return undefined;
    const { entity, topic } = request;
    if (expect.offset === 0) {
      if (expect.epoch === undefined) return undefined;
      if (this.since(entity, topic, { epoch: expect.epoch, offset: 0 }).ok) return undefined;
    }
    return { status: 'refused', code: 'conflict', head: this.position(entity, topic) };
  }

  #bear(request: AppendRequest, seq: number): TopicState<Own> {
    const topic = new TopicState<Own>(request.topic, this.topicEpoch(seq), seq);
    this.#entityFor(request.entity).add(topic);
    return topic;
  }

  #entityFor(name: string): EntityState<Own> {
    let entity = this.#entities.get(name);
    if (entity === undefined) {
      entity = new EntityState<Own>(name, this.#maxTombstones);
      this.#entities.set(name, entity);
    }
    return entity;
  }

  readonly #commit = (plan: OpenPlan<Own>): CommittedBatch[] => {
    if (this.#open[0] !== plan) throw new Error('plans are settled once, oldest first');
    this.#open.shift();
    const batches: { entity: string; prevSeq: number; seq: number; events: StoredEvent[] }[] = [];
    let state: EntityState<Own> | undefined;
    let batch: (typeof batches)[number] | undefined;
    const { events, topics } = plan;
    for (let i = 0; i < events.length; i++) {
      const event = events[i] as StoredEvent;
      const topic = topics[i] as TopicState<Own>;
      if (state === undefined || batch === undefined || event.entity !== state.entity) {
        state = this.#entityFor(event.entity);
        batch = batches.find((other) => other.entity === event.entity);
        if (batch === undefined) {
          batch = { entity: event.entity, prevSeq: state.lastSeq, seq: 0, events: [] };
          batches.push(batch);
        }
      }
      topic.offset = event.offset;
      topic.timestamp = event.timestamp;
      topic.sealed = event.sealed;
      topic.lastSeq = event.seq;
      topic.bytes += event.data.length;
      state.touch(topic);
      state.lastSeq = event.seq;
      batch.seq = event.seq;
      batch.events.push(event);
    }
    return batches;
  };

  readonly #rollback = (plan: OpenPlan<Own>): void => {
    const from = this.#open.indexOf(plan);
    if (from !== 0) throw new Error('plans are settled once, oldest first');
    const undone = this.#open;
    this.#open = [];
    for (const open of undone.reverse()) {
      open.lowerFences();
      for (let i = open.topics.length - 1; i >= 0; i--) {
        const topic = open.topics[i] as TopicState<Own>;
        const request = open.requests[i] as AppendRequest;
        if (request.idempotencyKey !== undefined) topic.keys?.removeNewest(request.idempotencyKey);
        topic.plannedOffset = topic.offset;
        topic.plannedTimestamp = topic.timestamp;
        topic.plannedSealed = topic.sealed;
        if (topic.offset === 0) this.#entities.get(request.entity)?.remove(topic);
      }
    }
  };

  /**
   * Notes that the oldest events of a topic are gone: `firstOffset` is the oldest that is kept now, `trimmedSeq` the
   * seq of the newest that is not, `bytes` what the kept ones hold.
   */
  trim(entity: string, topic: TopicState<Own>, firstOffset: number, trimmedSeq: number, bytes: number): void {
    topic.firstOffset = firstOffset;
    topic.trimmedSeq = trimmedSeq;
    topic.trimmedAt = this.#tick;
    topic.bytes = bytes;
    const state = this.#entityFor(entity);
    if (trimmedSeq > state.trimmedSeq) state.trimmedSeq = trimmedSeq;
  }

  /**
   * Deletes a topic that exists. A deletion has a seq of its own, so a cursor knows whether it has seen it; hand the
   * batch on to the followers as if it were a commit. No plan may be open.
   */
  delete(entity: string, topic: TopicState<Own>): { tombstone: Tombstone; batch: CommittedBatch } {
    if (this.#open.length > 0) throw new Error('a topic is deleted only while no commit is under way');
    const state = this.#entityFor(entity);
    const prevSeq = state.lastSeq;
    const seq = ++this.#seq;
    state.lastSeq = seq;
    const tombstone: Tombstone = { topic: topic.topic, seq, reason: 'epoch' };
    state.remove(topic);
    state.tombstones.add(tombstone, this.#tick);
    return { tombstone, batch: { entity, prevSeq, seq, events: [] } };
  }

  /** Forgets a topic that retention has emptied. False while an append to it is under way: it is not idle then. */
  forget(entity: string, topic: TopicState<Own>): Tombstone | undefined {
    if (topic.plannedOffset !== topic.offset) return undefined;
    const state = this.#entityFor(entity);
    const tombstone: Tombstone = { topic: topic.topic, seq: topic.lastSeq, reason: 'expired' };
    state.remove(topic);
    state.tombstones.add(tombstone, topic.trimmedAt);
    return tombstone;
  }

  /** The epoch of a topic whose first event has this seq. */
  topicEpoch(birthSeq: number): string {
    return `${this.epoch}-${birthSeq.toString(36)}`;
  }

  /** A topic's head. For one that does not exist: the place from which all of its events will be counted. */
  position(entity: string, topic: string): Position {
    const state = this.#entities.get(entity);
    const existing = state?.topic(topic);
    if (existing !== undefined) return { epoch: existing.epoch, offset: existing.offset };
    return { epoch: this.topicEpoch((state?.lastSeq ?? 0) + 1), offset: 0 };
  }

  /** The offset after which a reader at `position` goes on, or why it can not. */
  since(entity: string, topic: string, position: Position): SinceResult {
    const state = this.#entities.get(entity);
    const existing = state?.topic(topic);
    if (existing !== undefined && position.epoch === existing.epoch) {
      if (position.offset > existing.offset) return { ok: false, reason: 'epoch' };
      if (position.offset + 1 < existing.firstOffset) return { ok: false, reason: 'expired' };
      return { ok: true, after: position.offset };
    }
    const birthSeq = this.#seqOf(position.epoch);
    if (birthSeq === undefined) return { ok: false, reason: 'epoch' };
    // A tombstone below `birthSeq` is of a life that had ended when this position was handed out.
    const missed = state?.tombstones.missedOf(topic, birthSeq - 1);
    if (missed !== undefined) return { ok: false, reason: missed };
    if (position.offset !== 0 || birthSeq > (existing?.birthSeq ?? (state?.lastSeq ?? 0) + 1)) {
      return { ok: false, reason: 'epoch' };
    }
    if (existing !== undefined && existing.firstOffset > 1) return { ok: false, reason: 'expired' };
    return { ok: true, after: 0 };
  }

  #seqOf(epoch: string): number | undefined {
    if (!epoch.startsWith(`${this.epoch}-`)) return undefined;
    const seq = Number.parseInt(epoch.slice(this.epoch.length + 1), 36);
    return Number.isSafeInteger(seq) && this.topicEpoch(seq) === epoch ? seq : undefined;
  }

  /**
   * The entity's head, or, with `seq`, an earlier place in it.
   *
   * Topics are not trimmed alike: a page that began elsewhere than after a cursor may end at a seq whose successors are long gone in another
   * topic. So such a reader waives what was lost before it began, and its cursor says so, with `waived` as
   * {@link sinceCursor} gave it, until it is past all that: `<epoch>-<run>-<waived in base 36>`.
   */
  cursor(entity: string, seq?: number, waived = 0): Cursor {
    const state = this.#entities.get(entity);
    const at = seq ?? state?.lastSeq ?? 0;
    const past = waived === 0 || state === undefined || at >= state.lostSeq;
    const epoch = past ? this.epoch : `${this.#waiverPrefix}${waived.toString(36)}`;
    const part: EngineCursor = { epoch, seqs: [at] };
    return this.slot === 'live' ? { live: part } : { durable: part };
  }

  /**
   * The seq after which a reader of these patterns goes on, or why it can not. One that begins otherwise than after a
   * cursor may begin anywhere after 0: the engine, which has the events, looks where.
   */
  sinceCursor(entity: string, patterns: readonly string[], from: ReadSinceFrom): SinceCursorResult {
    if (!isCursor(from)) return { ok: true, after: 0, waived: ++this.#tick };
    const state = this.#entities.get(entity);
    const part = from[this.slot];
    const seq = part?.seqs[0];
    if (part === undefined || seq === undefined || part.seqs.length !== 1)
      return { ok: false, reason: 'epoch' };
    const waived = this.#waivedBy(part.epoch);
    if (waived === undefined || seq > (state?.lastSeq ?? 0)) return { ok: false, reason: 'epoch' };
    const reason = state?.missedSince(seq, patterns, waived);
    return reason === undefined ? { ok: true, after: seq, waived } : { ok: false, reason };
  }

  /** What a cursor's epoch waives; `undefined` when it is not of this log. */
  #waivedBy(epoch: string): number | undefined {
    if (epoch === this.epoch) return 0;
    // Ticks are not stored, so another run of the engine can not tell what this reader has waived.
    if (!epoch.startsWith(this.#waiverPrefix)) return epoch.startsWith(`${this.epoch}-`) ? 0 : undefined;
    return Number.parseInt(epoch.slice(this.#waiverPrefix.length), 36) || 0;
  }

  /** Restores a topic at start. Topics come in ascending order of `lastSeq`. */
  restoreTopic(restored: RestoredTopic): TopicState<Own> {
    const state = this.#entityFor(restored.entity);
    const topic = new TopicState<Own>(restored.topic, this.topicEpoch(restored.birthSeq), restored.birthSeq);
    topic.offset = topic.plannedOffset = restored.offset;
    topic.timestamp = topic.plannedTimestamp = restored.timestamp;
    topic.sealed = topic.plannedSealed = restored.sealed;
    topic.firstOffset = restored.firstOffset;
    topic.bytes = restored.bytes;
    topic.lastSeq = restored.lastSeq;
    topic.trimmedSeq = restored.trimmedSeq;
    for (const [name, token] of restored.fences ?? []) topic.raiseFence(name, token);
    state.add(topic);
    state.touch(topic);
    if (topic.trimmedSeq > state.trimmedSeq) state.trimmedSeq = topic.trimmedSeq;
    this.restoreEntity(restored.entity, { lastSeq: topic.lastSeq });
    return topic;
  }

  /** Restores a key of a restored topic. A topic's keys come in offset order. */
  restoreKey(topic: TopicState<Own>, key: string, first: FirstAppend): void {
    topic.remember(key, first);
  }

  /** Restores a removed topic. They come in the order in which they were removed. */
  restoreTombstone(entity: string, tombstone: Tombstone): void {
    this.#entityFor(entity).tombstones.add(tombstone, 0);
    this.restoreEntity(entity, { lastSeq: tombstone.seq });
  }

  /** Raises what is known of an entity, and the engine's seq with it. */
  restoreEntity(entity: string, known: { readonly lastSeq: number; readonly watermark?: Watermark }): void {
    const state = this.#entityFor(entity);
    if (known.lastSeq > state.lastSeq) state.lastSeq = known.lastSeq;
    if (known.watermark !== undefined) state.tombstones.raiseWatermark(known.watermark, 0);
    this.restoreSeq(known.lastSeq);
  }

  /** Raises the engine's seq: the next event's is greater. */
  restoreSeq(seq: number): void {
    if (seq > this.#seq) this.#seq = seq;
  }
}
