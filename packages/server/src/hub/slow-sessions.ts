import { BROADCAST_TOPIC, selectsTopic } from '@millrace/protocol';
import type { StoredEvent } from '../engine/engine.ts';
import { cursorBefore, laterCursor } from './cursor-clock.ts';
import { LogReader, type ReaderHost } from './log-reader.ts';
import { type LogSource, PatternSource, TopicSource } from './log-source.ts';
import { overlapsAnother } from './overlap.ts';
import {
  type Dropped,
  type DroppingPolicy,
  isDropping,
  makeRoom,
  type QueueBounds,
  SlowQueue,
} from './slow-queue.ts';
import type { Subscriber } from './subscriber.ts';
import { Subscription } from './subscription.ts';

export interface SlowSessionsOptions {
  /** What may wait for one session, under policies that drop. */
  readonly queueBounds: QueueBounds;
  readonly readers: ReaderHost;
  /** Counts a subscription in that nobody asked for. */
  readonly add: (subscription: Subscription) => void;
  readonly counters: { lags: number; dropped: number; slowEnded: number };
}

/**
 * What becomes of sessions that do not answer for what was written to them ([FLOW-6]): their subscriptions turn into readers of
 * the log, keep the newest events in a queue, or end the session, each by its own policy.
 */
export class SlowSessions {
  readonly #options: SlowSessionsOptions;
  #queued = 0;

  constructor(options: SlowSessionsOptions) {
    this.#options = options;
  }

  /** Events that wait in queues now. */
  get queueDepth(): number {
    return this.#queued;
  }

  /** The session does not answer; `unwritten`: the first of each topic's events that were to be written and were not. */
  slowDown(subscriber: Subscriber, unwritten: readonly StoredEvent[]): void {
    this.#options.counters.lags++;
    this.#addImplicit(subscriber, unwritten);
    const following = subscriber.subscriptions.filter(
      ({ state: { kind } }) => kind === 'live' || kind === 'joining',
    );
    if (following.some(({ slow }) => slow === 'disconnect')) {
      this.#options.counters.slowEnded++;
      subscriber.end(
        'slow-consumer',
        'the client does not read as fast as events come; read faster, or filter',
      );
      return;
    }
    for (const subscription of following) {
      const { slow } = subscription;
      if (isDropping(slow) && !overlapsAnother(subscription)) this.#hold(subscription, slow);
      else this.#readOn(subscription, unwritten);
    }
  }

  /** Live delivery is about to leave something out: the log is read from where each subscription stands. */
  readOn(subscriber: Subscriber): void {
    // What is kept of live events comes before what is left out.
    for (const subscription of subscriber.subscriptions) this.release(subscription);
    subscriber.settleAll();
    subscriber.flush();
    for (const subscription of subscriber.subscriptions) this.#readOn(subscription, []);
  }

  /** It answered: what was kept for a subscription goes to it, which is live again. */
  release(subscription: Subscription): void {
    const { state, subscriber } = subscription;
    if (state.kind !== 'held') return;
    const { dialect, feed } = subscriber;
    const { events, dropped } = state.queue.drain();
    this.#queued -= events.length;
    for (const each of dropped) subscriber.tell({ type: 'dropped', ...told(each, subscription) });
    const clock = state.read.cursorClock();
    const frames = events.map((event) => {
      clock.advance(event);
      return dialect.encodeEvent(event, clock);
    });
    if (frames.length > 0) subscriber.give(Buffer.concat(frames));
    subscription.state = { kind: 'live', read: placeNow(subscription, state.read) };
    feed.register(subscription);
  }

  /** Live events wait in a queue of bounded size from now on; what was written up to here is behind it. */
  #hold(subscription: Subscription, policy: DroppingPolicy): void {
    const { state, subscriber } = subscription;
    if (state.kind !== 'live' && state.kind !== 'joining') return;
    const queue = new SlowQueue(policy);
    const read = state.kind === 'joining' ? state.read : placeNow(subscription, state.read);
    subscription.state = { kind: 'held', read, queue };
    subscriber.feed.register(subscription);
    subscriber.hold(subscription);
  }

  /** An event came for a subscription that keeps the newest. */
  keep(subscription: Subscription, event: StoredEvent): void {
    const { state, subscriber } = subscription;
    if (state.kind !== 'held' || state.read.covers(event)) return;
    const before = state.queue.length;
    state.queue.push(event);
    const grown = state.queue.length - before - makeRoom(queuesOf(subscriber), this.#options.queueBounds);
    this.#queued += grown;
    this.#options.counters.dropped += 1 - grown;
  }

  /** From now on the log is read for it, from where the client surely is. */
  #readOn(subscription: Subscription, unwritten: readonly StoredEvent[]): void {
    const { state, subscriber, name: topic } = subscription;
    if (state.kind !== 'live' && state.kind !== 'joining') return;
    const { feed } = subscriber;
    const source = sourceBefore(subscription, state.read, unwritten);
    feed.unregister(subscription);
    const reader = new LogReader(subscription, source, feed, this.#options.readers, { lagging: true });
    subscription.state = { kind: 'reading', reader };
    subscriber.tell({
      type: 'lag',
      topic,
      behind: source.behind(feed) ?? Math.max(unwritten.length, 1),
    });
    subscriber.park(reader);
  }

  /** Events that a session gets without a subscription are read from the log like any other, once it is slow. */
  #addImplicit(subscriber: Subscriber, unwritten: readonly StoredEvent[]): void {
    for (const event of unwritten) {
      const { topic } = event;
      // What an unsubscribed topic still had to bring is not wanted any more.
      if (topic !== BROADCAST_TOPIC && !subscriber.direct.includes(topic)) continue;
      if (subscriber.subscriptions.some(({ patterns }) => selectsTopic(patterns, topic))) continue;
      const subscription = new Subscription(
        subscriber,
        { kind: 'topic', topic },
        { filter: undefined, batch: undefined, slow: 'catchup', implicit: true },
      );
      const { epoch, offset } = event;
      const read = new TopicSource(event.entity, topic, { epoch, offset: offset - 1 });
      subscription.state = { kind: 'live', read };
      this.#options.add(subscription);
    }
  }

  /** The subscription has ended, whatever waited for it. */
  forget({ state }: Subscription): void {
    if (state.kind === 'held') this.#queued -= state.queue.length;
  }
}

function queuesOf({ subscriptions }: Subscriber): SlowQueue[] {
  return subscriptions.flatMap(({ state }) => (state.kind === 'held' ? [state.queue] : []));
}

/** Where live delivery stands for a subscription. */
function placeNow({ subscriber: { feed } }: Subscription, read: LogSource): LogSource {
  if (read instanceof PatternSource) return new PatternSource(read.entity, read.patterns, feed.cursor.now());
  if (!(read instanceof TopicSource)) return read;
  const head = feed.position(read.topic);
  if (head === undefined || read.covers(head)) return read;
  const now = new TopicSource(read.entity, read.topic, { epoch: head.epoch, offset: head.offset });
  now.moveTo(now.position, head.seq);
  return now;
}

/** A place before everything that the session may not have, and not before what it began with. */
function sourceBefore(
  subscription: Subscription,
  read: LogSource,
  unwritten: readonly StoredEvent[],
): LogSource {
  const { feed } = subscription.subscriber;
  if (read instanceof TopicSource) {
    const first = unwritten.find(({ topic }) => topic === read.topic);
    const before = first
      ? { ...first, offset: first.offset - 1, seq: first.seq - 1 }
      : feed.position(read.topic);
    if (before === undefined || read.covers(before)) {
      return new TopicSource(read.entity, read.topic, read.position);
    }
    return new TopicSource(read.entity, read.topic, { epoch: before.epoch, offset: before.offset });
  }
  if (!(read instanceof PatternSource)) return read;
  const matching = unwritten.filter(({ topic }) => selectsTopic(read.patterns, topic));
  const written = cursorBefore(feed.cursor.now(), matching);
  // What it began with may be ahead in one partition and behind in another.
  return new PatternSource(read.entity, read.patterns, laterCursor(read.cursor, written));
}

function told({ topic, ...rest }: Dropped, subscription: Subscription): Dropped & { topic: string } {
  return { topic: topic ?? subscription.name, ...rest };
}
