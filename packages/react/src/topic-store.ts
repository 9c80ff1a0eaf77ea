import type { AnyCatalog, EventOf } from '@millrace/client';
import { type FeedSource, type FeedStatus, OPENING, openFeed } from './topic-feed.ts';

export interface TopicSnapshot<Catalog extends object = AnyCatalog> extends FeedStatus {
  /** The newest events, oldest first, at most `maxEvents`. A new array when it changes, so it can be a dependency. */
  readonly events: readonly EventOf<Catalog>[];
  /** How many have arrived since the subscription began, kept or not. */
  readonly received: number;
}

const EMPTY: TopicSnapshot = { ...OPENING, events: [], received: 0 };

/** The newest events of a topic as an external store: it subscribes while React does. */
export class TopicStore {
  readonly #source: FeedSource;
  readonly #maxEvents: number;
  readonly #listeners = new Set<() => void>();
  #snapshot: TopicSnapshot = EMPTY;
  #close: (() => void) | undefined;

  constructor(source: FeedSource, maxEvents: number) {
    this.#source = source;
    this.#maxEvents = maxEvents;
  }

  readonly snapshot = (): TopicSnapshot => this.#snapshot;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    this.#close ??= this.#open();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#close?.();
      this.#close = undefined;
    };
  };

  #open(): () => void {
    this.#snapshot = EMPTY;
    return openFeed(this.#source, {
      events: (events) => this.#add(events),
      status: (status) => this.#change({ ...this.#snapshot, ...status }),
    });
  }

  #add(added: readonly EventOf<AnyCatalog>[]): void {
    const { events, received } = this.#snapshot;
    const kept = added.length < this.#maxEvents ? events.slice(added.length - this.#maxEvents) : [];
    const newest = [...kept, ...added.slice(-this.#maxEvents)];
    this.#change({ ...this.#snapshot, events: newest, received: received + added.length });
  }

  #change(snapshot: TopicSnapshot): void {
    this.#snapshot = snapshot;
    for (const listener of this.#listeners) listener();
  }
}
