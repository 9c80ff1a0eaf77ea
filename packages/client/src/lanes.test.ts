import { expect, test } from 'vitest';
import { collect, startClient, take } from '../test/start-client.ts';

test('one socket carries topics and patterns that do not overlap', async () => {
  const { platform, server, client } = startClient();
  const seen = ['a', 'b.x', 'c.*', 'd.*.e'].map((topic) => collect(client.topic(topic)));
  await platform.flush();
  for (const topic of ['a', 'b.x', 'c.1.2', 'd.1.e']) server.append(topic, topic);
  await platform.flush();
  expect(seen).toEqual([['a'], ['b.x'], ['c.1.2'], ['d.1.e']]);
  expect(platform.sockets).toHaveLength(1);
});

test('readers that want the same share one subscription', async () => {
  const { platform, server, client } = startClient();
  const readers = [1, 2, 3].map(() => collect(client.topic('t', { since: 'earliest' })));
  await platform.flush();
  const live = collect(client.topic('t'));
  await platform.flush();
  server.append('t', 1);
  await platform.flush();
  expect([...readers, live]).toEqual([[1], [1], [1], [1]]);
  expect(platform.socket.messages.filter(({ type }) => type === 'subscribe')).toHaveLength(1);
});

test('the last reader that leaves ends the subscription', async () => {
  const { platform, server, client } = startClient();
  const first = client.topic('t');
  const second = client.topic('t');
  await platform.flush();
  first.close();
  await platform.flush();
  expect([...server.sessions][0]?.topics.size).toBe(1);
  second.close();
  await platform.flush();
  expect([...server.sessions][0]?.topics.size).toBe(0);
});

test('a reader that joins what runs is told where it stands', async () => {
  const { platform, server, client } = startClient();
  client.topic('t');
  server.append('t', 1);
  await platform.flush();
  const joined = client.topic('t');
  const answers: unknown[] = [];
  joined.on('subscribed', (answer) => answers.push(answer));
  await platform.flush();
  expect(answers).toEqual([{ topic: 't', position: 'e1:1', replayed: 0, recovered: undefined }]);
  expect(joined.position).toBe('e1:1');
});

test('[SUB-4] [SUB-5] history of what is already read live comes on a second connection and disturbs nobody', async () => {
  const { platform, server, client } = startClient();
  server.append('task.a', 1);
  server.append('task.a', 2);
  const live = collect(client.topic('task.*'));
  await platform.flush();
  const history = collect(client.topic('task.a', { since: 'earliest' }));
  const again = collect(client.topic('task.*', { since: 'earliest' }));
  await platform.flush();
  server.append('task.a', 3);
  await platform.flush();
  expect(live).toEqual([3]);
  expect(history).toEqual([1, 2, 3]);
  expect(again).toEqual([1, 2, 3]);
  server.cutAll();
  server.append('task.a', 4);
  await platform.advance(2000);
  expect(live).toEqual([3, 4]);
  expect(history).toEqual([1, 2, 3, 4]);
  expect(again).toEqual([1, 2, 3, 4]);
});

test('a connection that carries nothing any more is closed, the first one excepted', async () => {
  const { platform, server, client, states } = startClient();
  const live = client.topic('task.*');
  const history = client.topic('task.a', { since: 'earliest' });
  await platform.flush();
  expect(server.sessions.size).toBe(2);
  history.close();
  await platform.flush();
  expect(server.sessions.size).toBe(1);
  live.close();
  await platform.flush();
  expect(server.sessions.size).toBe(1);
  expect(states).toEqual(['connecting', 'connected']);
});

test('a slow loop does not hold up the others that share its subscription', async () => {
  const { platform, server, client } = startClient();
  const slow = client.topic('t', { maxBufferedEvents: 2 });
  const fast = collect(client.topic('t'));
  await platform.flush();
  const loop = slow[Symbol.asyncIterator]();
  for (let i = 1; i <= 6; i++) server.append('t', i);
  await platform.flush();
  expect(fast).toEqual([1, 2, 3, 4, 5, 6]);
  const taken: unknown[] = [];
  while (taken.length < 6) {
    taken.push(...(await take(loop, 1)));
    await platform.flush();
  }
  expect(taken).toEqual([1, 2, 3, 4, 5, 6]);
  server.append('t', 7);
  await platform.flush();
  expect(fast.at(-1)).toBe(7);
  expect(await take(loop, 1)).toEqual([7]);
});

test('a topic that is read anew at once is not given what was on its way to the one before', async () => {
  const { platform, server, client } = startClient();
  const first = client.topic('t');
  await platform.flush();
  server.append('t', 'old');
  first.close();
  const seen = collect(client.topic('t'));
  await platform.flush();
  server.append('t', 'new');
  await platform.flush();
  expect(seen).toEqual(['new']);
});

test('an answer to a subscription that was given up is not taken for the next one', async () => {
  const { platform, server, client } = startClient();
  await platform.flush();
  server.append('t', 'history');
  client.topic('t', { since: 'earliest' }).close();
  const seen = collect(client.topic('t'));
  await platform.flush();
  server.append('t', 'new');
  await platform.flush();
  expect(seen).toEqual(['new']);
});

test('readers that come while there is no connection get what they ask for', async () => {
  const { platform, server, client } = startClient();
  const before = collect(client.topic('t'));
  await platform.flush();
  server.stop();
  server.append('t', 1);
  const during = collect(client.topic('t'));
  server.start();
  await platform.advance(2000);
  server.append('t', 2);
  await platform.flush();
  expect(before).toEqual([1, 2]);
  expect(during).toEqual([2]);
});
