import type { StoredEvent } from '../engine/engine.ts';
import { Deque } from './deque.ts';
import type { Dialect } from './dialect.ts';
import type { RecentEvent, TopicTrail } from './recent-events.ts';
import type { Subscriber } from './subscriber.ts';
import type { Subscription } from './subscription.ts';

/** Live sessions that get the same bytes. */
export interface Group {
  readonly dialect: Dialect;
  readonly members: readonly Subscriber[];
}

/** A subscription that is not live yet and must look at each event. */
export interface Waiter {
  readonly subscription: Subscription;
  /** Its session gets the event already, through a live subscription. */
  readonly served: boolean;
}

/** Who is to get an event of one topic. */
export interface Audience {
  readonly groups: readonly Group[];
  readonly waiters: readonly Waiter[];
  /** Of the pattern subscriptions that it was made from. */
  readonly patternVersion: number;
}

/** Where an event stands that was handed out. */
export type Handed = Pick<StoredEvent, 'epoch' | 'offset' | 'seq'>;

/** One topic of one entity, as long as somebody subscribes to it by name or memory holds events of it. */
export class Channel implements TopicTrail {
  readonly topic: string;
  readonly events: Deque<RecentEvent> = new Deque();
  /** Subscriptions by this very name. */
  readonly subscriptions: Set<Subscription> = new Set();
  /** Made when an event needs it. */
  audience: Audience | undefined;
  readonly #onUnused: (channel: Channel) => void;
  #head: Handed | undefined;
  #windowStart: Handed | undefined;
  #window = -1;

  constructor(topic: string, onUnused: (channel: Channel) => void) {
    this.topic = topic;
    this.#onUnused = onUnused;
  }

  /** Notes that events up to this one were handed out in the given flush window. */
  dispatched(last: StoredEvent, window: number): void {
    if (this.#window !== window) {
      this.#window = window;
      this.#windowStart = this.#head;
    }
    this.#head = { epoch: last.epoch, offset: last.offset, seq: last.seq };
  }

  /** The last event that was handed out before this window, where any was. */
  positionBefore(window: number): Handed | undefined {
    return this.#window === window ? this.#windowStart : this.#head;
  }

  onEmptied(): void {
    this.releaseIfUnused();
  }

  releaseIfUnused(): void {
    if (this.subscriptions.size === 0 && this.events.length === 0) this.#onUnused(this);
  }
}

/** Gathers the live sessions of a topic by dialect, each once, and the subscriptions that wait. */
export function resolveAudience(subscriptions: Iterable<Subscription>[], patternVersion: number): Audience {
  const byDialect = new Map<Dialect, Subscriber[]>();
  const live = new Set<Subscriber>();
  const waiting: Subscription[] = [];
  for (const some of subscriptions) {
    for (const subscription of some) {
      if (subscription.state.kind !== 'live') {
        waiting.push(subscription);
        continue;
      }
      const { subscriber } = subscription;
      if (live.has(subscriber)) continue;
      live.add(subscriber);
      const members = byDialect.get(subscriber.dialect);
      if (members === undefined) byDialect.set(subscriber.dialect, [subscriber]);
      else members.push(subscriber);
    }
  }
  return {
    groups: [...byDialect].map(([dialect, members]) => ({ dialect, members })),
    waiters: waiting.map((subscription) => ({ subscription, served: live.has(subscription.subscriber) })),
    patternVersion,
  };
}
