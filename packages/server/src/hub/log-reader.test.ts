import { expect, test } from 'vitest';
import type { StoredEvent } from '../engine/engine.ts';
import type { EntityFeed } from './entity-feed.ts';
import { LogReader, type ReaderHost } from './log-reader.ts';
import type { LogSource } from './log-source.ts';
import type { Subscription } from './subscription.ts';

test('[FLOW-1] a reader without room holds no live events for its session', () => {
  const registered = new Set<Subscription>();
  const parked: LogReader[] = [];
  // Of its surroundings a reader that has no room asks for these alone.
  const feed = {
    register: (subscription: Subscription) => void registered.add(subscription),
    unregister: (subscription: Subscription) => void registered.delete(subscription),
  } as unknown as EntityFeed;
  const subscription = {
    subscriber: { hasRoom: () => false, park: (reader: LogReader) => void parked.push(reader) },
  } as unknown as Subscription;
  const host = { now: () => 0 } as ReaderHost;
  const reader = new LogReader(subscription, {} as LogSource, feed, host, { lagging: false });
  reader.register();
  reader.offer({} as StoredEvent);
  expect(registered).toContain(subscription);
  reader.step();
  expect(parked).toEqual([reader]);
  expect(registered).not.toContain(subscription);
});
