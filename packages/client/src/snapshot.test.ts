import { expect, test } from 'vitest';
import { collect, startClient } from '../test/start-client.ts';
import type { Gap, Snapshot, Subscription } from './types.ts';

function watch(subscription: Subscription): { snapshots: Snapshot[]; gaps: Gap[]; events: unknown[] } {
  const snapshots: Snapshot[] = [];
  const gaps: Gap[] = [];
  subscription.on('snapshot', (snapshot) => snapshots.push(snapshot));
  subscription.on('gap', (gap) => gaps.push(gap));
  return { snapshots, gaps, events: collect(subscription) };
}

const snapshot = (state: unknown[], position = `e1:${state.length}`, topic = 't'): Snapshot => ({
  topic,
  view: 'list',
  position,
  state,
});

test('[VIEW-1] the state comes first, then what follows it', async () => {
  const { platform, server, client } = startClient();
  for (const n of [1, 2, 3]) server.append('t', n);
  server.snapshotsBehind = 1;
  const subscription = client.topic('t', { since: 'snapshot' });
  const { snapshots, events } = watch(subscription);
  await platform.flush();
  server.append('t', 4);
  await platform.flush();
  expect(snapshots).toEqual([snapshot([1, 2])]);
  expect(events).toEqual([3, 4]);
  expect(subscription.position).toBe('e1:4');
});

test('[VIEW-2] [SUB-7] a topic without events has a state, too', async () => {
  const { platform, server, client } = startClient();
  const subscription = client.topic('t', { since: 'snapshot' });
  const { snapshots, events } = watch(subscription);
  await platform.flush();
  expect(snapshots).toEqual([snapshot([])]);
  expect(subscription.position).toBe('e1:0');
  server.append('t', 1);
  await platform.flush();
  expect(events).toEqual([1]);
});

test('[VIEW-3] a pattern begins with the state of each topic; others come as events', async () => {
  const { platform, server, client } = startClient();
  server.append('t.a', 1);
  server.append('t.b', 2);
  const subscription = client.topic('t.*', { since: 'snapshot' });
  const { snapshots, events } = watch(subscription);
  await platform.flush();
  server.append('t.b', 3);
  server.append('t.c', 4);
  await platform.flush();
  expect(snapshots).toEqual([snapshot([1], 'e1:1', 't.a'), snapshot([2], 'e1:1', 't.b')]);
  expect(events).toEqual([3, 4]);
});

test('[REC-1] a connection that is lost is resumed without another snapshot', async () => {
  const { platform, server, client } = startClient();
  server.append('t.a', 1);
  const topic = watch(client.topic('t.a', { since: 'snapshot' }));
  await platform.flush();
  const pattern = watch(client.topic('t.*', { since: 'snapshot' }));
  await platform.flush();
  server.cutAll();
  server.append('t.a', 2);
  await platform.advance(5000);
  for (const { snapshots, events } of [topic, pattern]) {
    expect(snapshots).toHaveLength(1);
    expect(events).toEqual([2]);
  }
});

test('[VIEW-1] what breaks before all states have come begins again', async () => {
  const { platform, server, client } = startClient();
  server.append('t.a', 1);
  server.append('t.b', 2);
  await platform.flush();
  platform.socket.loses = (message) => 'topic' in message && message.topic === 't.b';
  const { snapshots } = watch(client.topic('t.*', { since: 'snapshot' }));
  await platform.flush();
  expect(snapshots).toHaveLength(1);
  server.append('t.a', 3);
  server.cutAll();
  await platform.advance(5000);
  expect(snapshots.slice(1).map(({ topic, state }) => [topic, state])).toEqual([
    ['t.a', [1, 3]],
    ['t.b', [2]],
  ]);
});

test.each([
  ['retention took what was missed', 'expired'],
  ['the topic was written anew', 'epoch'],
] as const)('[REC-1] where %s, a new snapshot takes the place of the gap', async (_, how) => {
  const { platform, server, client } = startClient();
  server.append('t', 1);
  const { snapshots, events, gaps } = watch(client.topic('t', { since: 'snapshot' }));
  await platform.flush();
  server.cutAll();
  if (how === 'epoch') server.recreate('t');
  for (const n of [2, 3]) server.append('t', n);
  if (how === 'expired') server.trim('t', 2);
  await platform.advance(5000);
  const now = how === 'epoch' ? snapshot([2, 3], 'e1x:2') : snapshot([1, 2, 3]);
  expect(snapshots).toEqual([snapshot([1]), now]);
  server.append('t', 4);
  await platform.flush();
  expect(events).toEqual([4]);
  expect(gaps).toEqual([]);
});

test('[REC-8] what is lost in a replay is in a new snapshot; what a slow reader is spared is told', async () => {
  const { platform, server, client } = startClient();
  server.append('t', 1);
  const { snapshots, events, gaps } = watch(client.topic('t', { since: 'snapshot' }));
  await platform.flush();
  server.send({ type: 'dropped', topic: 't', from: 2, to: 4, count: 3, reason: 'expired' });
  await platform.flush();
  server.append('t', 2);
  await platform.flush();
  expect(snapshots).toEqual([snapshot([1]), snapshot([1])]);
  server.send({ type: 'dropped', topic: 't', from: 3, to: 3, count: 1, reason: 'slow' });
  await platform.flush();
  expect(snapshots).toHaveLength(2);
  expect(gaps).toEqual([{ topic: 't', reason: 'slow', from: 3, to: 3, count: 1 }]);
  expect(events).toEqual([2]);
});

test('events that wait for a slow loop are given up for a snapshot that has them', async () => {
  const { platform, server, client } = startClient();
  const subscription = client.topic('t', { since: 'snapshot', maxBufferedEvents: 4 });
  const snapshots: unknown[] = [];
  subscription.on('snapshot', ({ state }) => snapshots.push(state));
  const loop = subscription[Symbol.asyncIterator]();
  await platform.flush();
  for (let n = 1; n <= 10; n++) server.append('t', n);
  await platform.flush();
  server.trim('t', 9);
  const first = [await loop.next(), await loop.next()];
  expect(first.map(({ value }) => value?.data)).toEqual([1, 2]);
  await platform.advance(2000);
  expect(snapshots).toEqual([[], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]]);
  server.append('t', 11);
  await platform.flush();
  expect((await loop.next()).value?.data).toBe(11);
});
