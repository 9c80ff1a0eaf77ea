import { expect, test } from 'vitest';
import type { StoredEvent } from '../engine/engine.ts';
import type { EntityFeed } from './entity-feed.ts';
import { LogReader, type ReaderHost } from './log-reader.ts';
import type { LogSource } from './log-source.ts';
import type { Subscription } from './subscription.ts';

/** A reader whose session has no room, in surroundings that know what such a reader asks of them. */
function readerWithoutRoom() {
  const registered = new Set<Subscription>();
  const parked: LogReader[] = [];
  const feed = {
    register: (subscription: Subscription) => void registered.add(subscription),
    unregister: (subscription: Subscription) => void registered.delete(subscription),
  } as unknown as EntityFeed;
  const subscription = {
    subscriber: { hasRoom: () => false, park: (reader: LogReader) => void parked.push(reader) },
  } as unknown as Subscription;
  const host = { now: () => 0 } as ReaderHost;
  const reader = new LogReader(subscription, {} as LogSource, feed, host, { lagging: false });
  return { reader, parked, isRegistered: () => registered.has(subscription) };
}

const eventOf = (length: number) => ({ data: 'x'.repeat(length) }) as StoredEvent;

test('[FLOW-1] a reader without room holds no live events for its session', () => {
  const { reader, parked, isRegistered } = readerWithoutRoom();
  reader.register();
  reader.offer(eventOf(2));
  expect(isRegistered()).toBe(true);
  reader.step();
  expect(parked).toEqual([reader]);
  expect(isRegistered()).toBe(false);
});

test.each([
  { what: 'so many', kept: 2048, length: 2 },
  { what: 'so large', kept: 8, length: 32 * 1024 },
])(
  '[FLOW-1] events that are $what wait behind a read no longer; the next read may wait anew',
  ({ kept, length }) => {
    const { reader, isRegistered } = readerWithoutRoom();
    for (const _again of [1, 2]) {
      reader.register();
      for (let i = 0; i < kept; i++) reader.offer(eventOf(length));
      expect(isRegistered()).toBe(true);
      reader.offer(eventOf(length));
      expect(isRegistered()).toBe(false);
    }
  },
);
