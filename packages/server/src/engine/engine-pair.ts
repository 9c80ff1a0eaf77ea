import { type Cursor, type EngineCursor, namespaceOf } from '@millrace/protocol';
import {
  type AppendRequest,
  type AppendResult,
  type ConsumerState,
  type Engine,
  type EngineSlot,
  type Following,
  type FollowListener,
  isCursor,
  type Lease,
  type LeaseOptions,
  type LeaseResult,
  type ReadFrom,
  type ReadLimit,
  type ReadResult,
  type ReadSinceFrom,
  type ReadSinceResult,
  type StoredEvent,
  type TopicHead,
} from './engine.ts';
import { sharesOfNewest } from './newest-of-two.ts';

export interface EnginePairOptions {
  readonly live: Engine;
  readonly durable: Engine;
  /** Which engine serves a topic: its namespace's policy says. The answer depends on the first segment alone. */
  readonly slotOf: (topic: string) => EngineSlot;
}

/** The epoch of a cursor's part in a log that a reader from `earliest` has not come to yet. */
const NOT_BEGUN: EngineCursor = { epoch: 'earliest', seqs: [0] };
const SLOTS = ['durable', 'live'] as const;

/**
 * A live and a durable engine as one. A topic lives in the engine that its namespace names; cursors have a part for
 * each. When a namespace moves from one to the other, its topics' epochs change by themselves, because the engines'
 * own epochs differ; what it left behind in the old engine is hidden from {@link Engine.topics} until it expires there.
 *
 * **Leases** live in the live engine: they are renewed every few seconds and mean nothing once their holders are gone,
 * so storing them buys nothing. A holder whose lease was lost with the engine is kept from writing by the fence, which
 * is stored with the topic it guards.
 *
 * **A follower's gap** names a head with a part only for the engine that has the gap; its other half goes on undisturbed.
 */
export function createEnginePair(options: EnginePairOptions): Engine {
  return new EnginePair(options);
}

class EnginePair implements Engine {
  readonly #live: Engine;
  readonly #durable: Engine;
  readonly #slotOf: (topic: string) => EngineSlot;

  constructor({ live, durable, slotOf }: EnginePairOptions) {
    this.#live = live;
    this.#durable = durable;
    this.#slotOf = slotOf;
  }

  append(requests: readonly AppendRequest[]): Promise<readonly AppendResult[]> {
    const first = requests[0];
    if (first === undefined) return Promise.resolve([]);
    const slot = this.#slotOf(first.topic);
    for (const request of requests) {
      if (this.#slotOf(request.topic) !== slot) return this.#appendToBoth(requests);
    }
    return this.#engine(slot).append(requests);
  }

  async #appendToBoth(requests: readonly AppendRequest[]): Promise<readonly AppendResult[]> {
    const slots = requests.map((request) => this.#slotOf(request.topic));
    const [durable, live] = await Promise.all(
      SLOTS.map((slot) => this.#engine(slot).append(requests.filter((_, i) => slots[i] === slot))),
    );
    const answers = { durable: durable?.values(), live: live?.values() };
    return slots.map((slot) => {
      const answer = answers[slot]?.next();
      if (answer === undefined || answer.done)
        throw new Error(`the ${slot} engine left a request without answer`);
      return answer.value;
    });
  }

  read(entity: string, topic: string, from: ReadFrom, limit: ReadLimit): Promise<ReadResult> {
    return this.#engineOf(topic).read(entity, topic, from, limit);
  }

  /** Durable events come first, then live ones. */
  async readSince(
    entity: string,
    patterns: readonly string[],
    from: ReadSinceFrom,
    limit: ReadLimit,
  ): Promise<ReadSinceResult> {
    const { maxEvents, maxBytes = Infinity } = limit;
    const begins = await this.#begins(entity, patterns, from);
    const events: StoredEvent[] = [];
    const start: { -readonly [Slot in EngineSlot]?: EngineCursor } = {};
    const cursor: { -readonly [Slot in EngineSlot]?: EngineCursor } = {};
    let bytes = 0;
    let behind = 0;
    for (const slot of SLOTS) {
      const engine = this.#engine(slot);
      if (!this.#mayMatch(slot, patterns)) {
        // Whatever it holds does not match, so all that does, up to its head, has been returned.
        const head = await engine.cursor(entity);
        Object.assign(start, head);
        Object.assign(cursor, head);
        continue;
      }
      const full = events.length > 0 && (events.length >= maxEvents || bytes >= maxBytes);
      const begin = begins(slot);
      const rest = { maxEvents: maxEvents - events.length, maxBytes: maxBytes - bytes };
      // A full page takes nothing more, but it must know what is behind it, and that it can be had.
      const page = await engine.readSince(entity, patterns, begin, full ? { maxEvents: 1 } : rest);
      if (!page.ok) return { ok: false, reason: page.reason, head: await this.cursor(entity) };
      behind += page.behind;
      if (full && page.events.length > 0) {
        behind += page.events.length;
        cursor[slot] = (begin === 'earliest' ? undefined : page.start[slot]) ?? NOT_BEGUN;
        start[slot] = cursor[slot];
        continue;
      }
      Object.assign(start, page.start);
      Object.assign(cursor, page.cursor);
      for (const event of page.events) {
        events.push(event);
        bytes += event.data.length;
      }
    }
    return { ok: true, events, start, cursor, behind };
  }

  /** Where each engine's part of a read begins. */
  async #begins(
    entity: string,
    patterns: readonly string[],
    from: ReadSinceFrom,
  ): Promise<(slot: EngineSlot) => ReadSinceFrom> {
    if (isCursor(from)) return (slot) => (from[slot]?.epoch === NOT_BEGUN.epoch ? 'earliest' : from);
    const both = SLOTS.every((slot) => this.#mayMatch(slot, patterns));
    if (from === 'earliest' || 'time' in from || !both) return () => from;
    const engines = { live: this.#live, durable: this.#durable };
    const shares = await sharesOfNewest(engines, entity, patterns, from.last);
    return (slot) => ({ last: shares[slot] });
  }

  async follow(entity: string, pattern: string, listener: FollowListener): Promise<Following> {
    const joins: Promise<Following>[] = [];
    const heads: Promise<Cursor>[] = [];
    for (const slot of SLOTS) {
      const engine = this.#engine(slot);
      if (this.#mayMatch(slot, [pattern])) joins.push(engine.follow(entity, pattern, listener));
      else heads.push(engine.cursor(entity));
    }
    const joined = await Promise.allSettled(joins);
    const followings = joined.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    const stop = () => {
      for (const following of followings) following.stop();
    };
    try {
      // Throws what made one of them fail.
      await Promise.all(joins);
      const cursors = [...(await Promise.all(heads)), ...followings.map((following) => following.cursor)];
      return { cursor: Object.assign({}, ...cursors) as Cursor, stop };
    } catch (error) {
      stop();
      throw error;
    }
  }

  async cursor(entity: string): Promise<Cursor> {
    const [durable, live] = await Promise.all([this.#durable.cursor(entity), this.#live.cursor(entity)]);
    return { ...durable, ...live };
  }

  head(entity: string, topic: string): Promise<TopicHead | undefined> {
    return this.#engineOf(topic).head(entity, topic);
  }

  async topics(
    entity: string,
    pattern: string,
    { after = '', limit = Infinity }: { after?: string; limit?: number } = {},
  ): Promise<readonly TopicHead[]> {
    const lists = await Promise.all(
      SLOTS.map((slot) => this.#ownTopics(slot, entity, pattern, after, limit)),
    );
    const heads = lists.flat().sort((a, b) => (a.topic < b.topic ? -1 : 1));
    return heads.slice(0, limit);
  }

  /** Topics that an engine holds and that are its own by policy. */
  async #ownTopics(
    slot: EngineSlot,
    entity: string,
    pattern: string,
    after: string,
    limit: number,
  ): Promise<TopicHead[]> {
    const own: TopicHead[] = [];
    if (!this.#mayMatch(slot, [pattern])) return own;
    for (let from = after; own.length < limit; ) {
      const page = await this.#engine(slot).topics(entity, pattern, { after: from, limit });
      for (const head of page) if (this.#slotOf(head.topic) === slot) own.push(head);
      const last = page.at(-1);
      if (last === undefined || page.length < limit) break;
      from = last.topic;
    }
    return own;
  }

  async entities(): Promise<readonly string[]> {
    const [durable, live] = await Promise.all([this.#durable.entities(), this.#live.entities()]);
    return [...new Set([...durable, ...live])];
  }

  trim(entity: string, topic: string, upTo: number): Promise<void> {
    return this.#engineOf(topic).trim(entity, topic, upTo);
  }

  delete(entity: string, topic: string): Promise<boolean> {
    return this.#engineOf(topic).delete(entity, topic);
  }

  acquireLease(
    entity: string,
    name: string,
    owner: string,
    ttlMs: number,
    options?: LeaseOptions,
  ): Promise<LeaseResult> {
    return this.#live.acquireLease(entity, name, owner, ttlMs, options);
  }

  renewLease(entity: string, name: string, owner: string, ttlMs: number): Promise<boolean> {
    return this.#live.renewLease(entity, name, owner, ttlMs);
  }

  releaseLease(entity: string, name: string, owner: string): Promise<boolean> {
    return this.#live.releaseLease(entity, name, owner);
  }

  leaseHolders(entity: string, name: string): Promise<readonly Lease[]> {
    return this.#live.leaseHolders(entity, name);
  }

  consumers(entity: string, topic: string): Promise<readonly string[]> {
    return this.#engineOf(topic).consumers(entity, topic);
  }

  consumer(entity: string, topic: string, name: string): Promise<ConsumerState | undefined> {
    return this.#engineOf(topic).consumer(entity, topic, name);
  }

  setConsumer(
    entity: string,
    topic: string,
    name: string,
    expectedVersion: number,
    next: Omit<ConsumerState, 'version'>,
  ): Promise<{ readonly stored: boolean; readonly state: ConsumerState | undefined }> {
    return this.#engineOf(topic).setConsumer(entity, topic, name, expectedVersion, next);
  }

  async close(): Promise<void> {
    await Promise.all([this.#durable.close(), this.#live.close()]);
  }

  #engine(slot: EngineSlot): Engine {
    return slot === 'live' ? this.#live : this.#durable;
  }

  #engineOf(topic: string): Engine {
    return this.#engine(this.#slotOf(topic));
  }

  /** Whether some topic of this engine could match any of the patterns. */
  #mayMatch(slot: EngineSlot, patterns: readonly string[]): boolean {
    return patterns.some((pattern) => namespaceOf(pattern) === '*' || this.#slotOf(pattern) === slot);
  }
}
