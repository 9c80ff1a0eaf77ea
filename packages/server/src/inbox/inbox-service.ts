import { MillraceError } from '@millrace/protocol';
import type { Clock } from '../clock.ts';
import type { Engine } from '../engine/engine.ts';
import type { Hub } from '../hub/hub.ts';
import type { Opened, Start } from '../hub/opening.ts';
import type { SlowPolicy } from '../hub/slow-queue.ts';
import type { Subscriber } from '../hub/subscriber.ts';
import { type ConsumerKey, consumerKey, consumerPrefix, findConsumerProblem } from './consumer-key.ts';
import type { DeliveryRules } from './delivery-rules.ts';
import { InboxSweeper } from './inbox-sweeper.ts';
import { type Attachment, Keeper } from './keeper.ts';
import { MessageStatusReader } from './message-status.ts';
import { ConfirmingReader, HubReader } from './reader.ts';
import { resumeOffset } from './resume-offset.ts';

export interface InboxServiceOptions {
  readonly engine: Engine;
  readonly hub: Hub;
  readonly clock: Clock;
  readonly rules: DeliveryRules;
  /** Consumers that one user may have of one topic: each is kept as long as the topic. */
  readonly maxConsumers: number;
  /** Tells this node from others. */
  readonly nodeId: string;
  readonly onError: (error: unknown, doing: string) => void;
}

/** Who acknowledges: consumers are a user's own. */
export interface ConsumerOwner {
  readonly entityId: string;
  readonly userId: string;
}

/** What a session that reads as a consumer asks for. The session has checked topic and permission. */
export interface ConsumerRequest {
  readonly owner: ConsumerOwner;
  /** A topic, never a pattern. */
  readonly topic: string;
  readonly consumer: string;
  /** The client cannot acknowledge: that its transport confirms counts as such. */
  readonly confirmed?: boolean | undefined;
  /** Where the client itself says that it has come to, where its door has it say so: earlier events are sent again. */
  readonly resume?: Start;
  /** Of a slow session: `disconnect`, or what serves it from the log. */
  readonly slow?: SlowPolicy | undefined;
}

/** Times that retention may come between before the client is told that it did. */
const MAX_ROUNDS = 10;

interface Reading {
  /** As the session calls it. */
  readonly consumer: string;
  readonly keeper: Keeper;
  readonly attachment: Attachment;
}

/**
 * At-least-once delivery: who reads a topic as a consumer, what they were sent, and what they have acknowledged. It keeps
 * nothing of its own: progress is the engine's `consumer`, messages and dead letters are events.
 */
export class InboxService {
  readonly #options: InboxServiceOptions;
  /** By {@link idOf}. */
  readonly #keepers: Map<string, Keeper> = new Map();
  /** Sessions that read as consumers, by topic. */
  readonly #readings: Map<Subscriber, Map<string, Reading>> = new Map();
  readonly status: MessageStatusReader;
  /** Plain counters. */
  readonly counters = { acknowledged: 0 };
  /** By {@link idOf}. Whoever comes next waits: an acknowledgement may be on its way to the log. */
  readonly #closing: Map<string, Promise<void>> = new Map();
  readonly #sweeper: InboxSweeper;

  constructor(options: InboxServiceOptions) {
    this.#options = options;
    this.status = new MessageStatusReader(options.engine, options.rules);
    this.#sweeper = new InboxSweeper({ ...options, isKept: (key) => this.#keepers.has(idOf(key)) });
  }

  /** Events that are not acknowledged yet, of the consumers that are read at this node: of one entity, or of all. */
  pending(entityId?: string): number {
    let pending = 0;
    for (const { key, pending: own } of this.#keepers.values()) {
      if (entityId === undefined || key.entity === entityId) pending += own;
    }
    return pending;
  }

  /**
   * Subscribes a session to a topic as a consumer: everything that is alive and not acknowledged follows, then live events.
   * Takes the place of its subscription of that name. Rejects as `Hub.subscribe` does, with `bad-topic` for a topic
   * that can have no consumers, and with `too-many-subscriptions` when the user has as many of it as it may have.
   */
  async subscribe(
    subscriber: Subscriber,
    request: ConsumerRequest,
    onOpened: (opened: Opened) => void,
  ): Promise<void> {
    const { owner, topic, consumer } = request;
    assertConsumable(topic);
    const { hub, engine } = this.#options;
    const key = consumerKey(owner, topic, consumer);
    const keeper = this.#hold(key);
    try {
      await keeper.begin();
      await this.#assertRoom(keeper);
      const resumed = request.resume && (await resumeOffset(engine, key, request.resume));
      if (subscriber.closed) return this.#release(keeper);
      const attachment = this.#attach(subscriber, keeper, request);
      const options = { slow: request.slow === 'disconnect' ? request.slow : 'catchup' } as const;
      let after = Math.min(keeper.acked, resumed ?? keeper.acked);
      for (let recovered = false, round = 1; !recovered; round++) {
        const offset = after;
        const start = { kind: 'position', position: { epoch: keeper.epoch, offset } } as const;
        await hub.subscribe(subscriber, { kind: 'topic', topic }, start, options, (opened) => {
          recovered = opened.recovered !== false || round === MAX_ROUNDS;
          // What retention took, or who deleted the topic, while this was being opened is passed by, and nothing else.
          if (!recovered) hub.unsubscribe(subscriber, topic);
          else {
            onOpened(opened);
            attachment.opened(opened.position?.offset ?? 0);
          }
        });
        if (subscriber.closed) return;
        if (!recovered) after = await keeper.beginAgain();
      }
    } catch (error) {
      if (this.#readings.get(subscriber)?.get(topic)?.keeper === keeper) this.leave(subscriber, topic);
      else this.#release(keeper);
      throw error;
    }
  }

  /**
   * Acknowledges everything up to an offset for the session; resolves with how far the consumer has acknowledged, once
   * that is stored. Rejects with `not-subscribed` or `ack-ahead`.
   */
  async acknowledge(
    subscriber: Subscriber,
    topic: string,
    consumer: string,
    offset: number,
  ): Promise<number> {
    const reading = this.#readings.get(subscriber)?.get(topic);
    if (reading?.consumer !== consumer) {
      throw new MillraceError(
        'not-subscribed',
        `the session does not read ${JSON.stringify(topic)} as the consumer ${JSON.stringify(consumer)}`,
      );
    }
    this.counters.acknowledged++;
    return reading.attachment.acknowledge(offset);
  }

  /** The same for a client that reads by other means than its session, up to what the consumer was sent. */
  async acknowledgeFor(
    owner: ConsumerOwner,
    topic: string,
    consumer: string,
    offset: number,
  ): Promise<number> {
    assertConsumable(topic);
    const keeper = this.#hold(consumerKey(owner, topic, consumer));
    try {
      this.counters.acknowledged++;
      return await keeper.acknowledge(offset);
    } finally {
      this.#release(keeper);
    }
  }

  /** The session gives up reading the topic as a consumer, if it does. Called before its subscription ends. */
  leave(subscriber: Subscriber, topic: string): void {
    const topics = this.#readings.get(subscriber);
    const reading = topics?.get(topic);
    if (topics === undefined || reading === undefined) return;
    topics.delete(topic);
    if (topics.size === 0) this.#readings.delete(subscriber);
    reading.attachment.leave();
    this.#release(reading.keeper);
  }

  /** The session ends. Called before it is detached from the hub. */
  leaveAll(subscriber: Subscriber): void {
    for (const topic of [...(this.#readings.get(subscriber)?.keys() ?? [])]) this.leave(subscriber, topic);
  }

  /** Notes what was sent, and lets go of everything. */
  async close(): Promise<void> {
    for (const keeper of this.#keepers.values()) this.#close(keeper);
    await Promise.all([...this.#closing.values(), this.#sweeper.close()]);
  }

  async #assertRoom({ key, isStored }: Keeper): Promise<void> {
    if (isStored) return;
    const { engine, maxConsumers } = this.#options;
    const prefix = consumerPrefix(key);
    const names = await engine.consumers(key.entity, key.topic);
    if (names.filter((name) => name.startsWith(prefix)).length < maxConsumers) return;
    throw new MillraceError(
      'too-many-subscriptions',
      `a user may have ${maxConsumers} consumers of a topic; read "${key.topic}" as one that there is`,
    );
  }

  /** Counts the session in, in the place of what it read of the topic before. */
  #attach(
    subscriber: Subscriber,
    keeper: Keeper,
    { topic, consumer, confirmed }: ConsumerRequest,
  ): Attachment {
    const before = this.#readings.get(subscriber)?.get(topic);
    const high = before?.keeper === keeper ? before.attachment.high() : 0;
    this.leave(subscriber, topic);
    const Kind = confirmed ? ConfirmingReader : HubReader;
    const attachment = keeper.attach(new Kind(this.#options.hub, subscriber, topic, consumer), high);
    const topics = this.#readings.get(subscriber) ?? new Map<string, Reading>();
    topics.set(topic, { consumer, keeper, attachment });
    this.#readings.set(subscriber, topics);
    return attachment;
  }

  /** The consumer's keeper, which lives until everyone who holds it has released it. */
  #hold(key: ConsumerKey): Keeper {
    const id = idOf(key);
    let keeper = this.#keepers.get(id);
    if (keeper === undefined) {
      keeper = new Keeper(key, this.#options, this.#closing.get(id));
      this.#keepers.set(id, keeper);
    }
    keeper.holders++;
    return keeper;
  }

  #release(keeper: Keeper): void {
    if (--keeper.holders === 0) this.#close(keeper);
  }

  #close(keeper: Keeper): void {
    const id = idOf(keeper.key);
    if (this.#keepers.get(id) === keeper) this.#keepers.delete(id);
    // A keeper that was opened and closed while another was closing has waited for that one.
    const closing = keeper.close().finally(() => {
      if (this.#closing.get(id) === closing) this.#closing.delete(id);
      this.#sweeper.expect(keeper.key);
    });
    this.#closing.set(id, closing);
  }
}

function idOf({ entity, topic, name }: ConsumerKey): string {
  return JSON.stringify([entity, topic, name]);
}

function assertConsumable(topic: string): void {
  const problem = findConsumerProblem(topic);
  if (problem === undefined) return;
  throw new MillraceError('bad-topic', `"${topic}" can have no consumer: it ${problem}`);
}
