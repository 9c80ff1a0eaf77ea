import type { StoredEvent } from '../engine/engine.ts';
import type { Audience } from './audience.ts';
import { Deque } from './deque.ts';
import type { TopicTrail } from './recent-events.ts';
import type { Subscription } from './subscription.ts';

/** Where an event stands that was handed out. */
export type Handed = Pick<StoredEvent, 'epoch' | 'offset' | 'seq'>;

/** One topic of one entity, as long as somebody subscribes to it by name or memory holds events of it. */
export class Channel implements TopicTrail {
  readonly topic: string;
  readonly recent: Deque<number> = new Deque();
  epoch = '';
  /** Subscriptions by this very name. */
  readonly subscriptions: Set<Subscription> = new Set();
  /** Made when an event needs it. */
  audience: Audience | undefined;
  /** How long its events may wait before they are written, in ms. */
  readonly flushWindowMs: number;
  /** The last event that was handed out. */
  head: Handed | undefined;
  readonly #onUnused: (channel: Channel) => void;

  constructor(topic: string, flushWindowMs: number, onUnused: (channel: Channel) => void) {
    this.topic = topic;
    this.flushWindowMs = flushWindowMs;
    this.head = undefined;
    this.#onUnused = onUnused;
  }

  onEmptied(): void {
    this.releaseIfUnused();
  }

  releaseIfUnused(): void {
    if (this.subscriptions.size === 0 && this.recent.length === 0) this.#onUnused(this);
  }
}
