import type { AnyCatalog, EventOf } from '@millrace/client';
import { ExternalStore } from './external-store.ts';
import { type FeedSource, type FeedStatus, OPENING, openFeed } from './topic-feed.ts';

export interface TopicSnapshot<Catalog extends object = AnyCatalog> extends FeedStatus {
  /** The newest events, oldest first, at most `maxEvents`. A new array when it changes, so it can be a dependency. */
  readonly events: readonly EventOf<Catalog>[];
  /** How many have arrived since the subscription began, kept or not. */
  readonly received: number;
}

const EMPTY: TopicSnapshot = { ...OPENING, events: [], received: 0 };

/** The newest events of a topic. */
export function createTopicStore(source: FeedSource, maxEvents: number): ExternalStore<TopicSnapshot> {
  return new ExternalStore(EMPTY, (change) =>
    openFeed(source, {
      events: (events) => change((snapshot) => withEvents(snapshot, events, maxEvents)),
      status: (status) => change((snapshot) => ({ ...snapshot, ...status })),
    }),
  );
}

function withEvents(
  snapshot: TopicSnapshot,
  added: readonly EventOf<AnyCatalog>[],
  maxEvents: number,
): TopicSnapshot {
  const kept = added.length < maxEvents ? snapshot.events.slice(added.length - maxEvents) : [];
  const events = [...kept, ...added.slice(-maxEvents)];
  return { ...snapshot, events, received: snapshot.received + added.length };
}
