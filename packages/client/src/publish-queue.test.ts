import { expect, test } from 'vitest';
import { startClient } from '../test/start-client.ts';

const published = (server: { eventsOf(topic: string): { data: unknown }[] }, topic = 't'): unknown[] => {
  return server.eventsOf(topic).map(({ data }) => data);
};

test('[PUB-1] publish resolves with what the server says it stored', async () => {
  const { platform, server, client } = startClient();
  const result = client.publish('t', 'x', { a: 1 }, { key: 'k', source: 's', priority: 'high' });
  await platform.flush();
  expect(await result).toMatchObject({ topic: 't', offset: 1, epoch: 'e1' });
  expect(published(server)).toEqual([{ a: 1 }]);
  expect(platform.socket.messages.at(-1)).toEqual({
    type: 'publish',
    id: 'p1',
    topic: 't',
    event: 'x',
    data: { a: 1 },
    key: 'k',
    source: 's',
    priority: 'high',
    idempotencyKey: expect.stringMatching(/./),
  });
});

test('data is taken as it is at the call', async () => {
  const { platform, server, client } = startClient();
  const data = { n: 1 };
  const result = client.publish('t', 'x', data);
  data.n = 2;
  await platform.flush();
  await result;
  expect(published(server)).toEqual([{ n: 1 }]);
});

test('[PUB-7] what is published without a connection waits, and is sent in order', async () => {
  const { platform, server, client } = startClient();
  await platform.flush();
  server.stop();
  const results = Array.from({ length: 300 }, (_, i) => client.publish('t', 'x', i));
  await platform.advance(1_800_000);
  expect(published(server)).toEqual([]);
  server.start();
  await platform.advance(10_000);
  expect((await Promise.all(results)).map(({ offset }) => offset)).toEqual(results.map((_, i) => i + 1));
  expect(published(server)).toEqual(results.map((_, i) => i));
});

test('[PUB-2] what was sent and not answered is repeated, and stored once', async () => {
  const { platform, server, client } = startClient();
  await platform.flush();
  server.mute = true;
  const results = [1, 2, 3].map((n) => client.publish('t', 'x', n));
  await platform.flush();
  server.mute = false;
  server.cutAll();
  results.push(client.publish('t', 'x', 4));
  await platform.advance(2000);
  expect((await Promise.all(results)).map(({ duplicate }) => duplicate)).toEqual([
    true,
    true,
    true,
    undefined,
  ]);
  expect(published(server)).toEqual([1, 2, 3, 4]);
});

test('[PUB-2] what cannot be repeated within the window rejects with unknown', async () => {
  const { platform, server, client } = startClient();
  await platform.flush();
  server.mute = true;
  const sent = client.publish('t', 'x', 1);
  const outcome = expect(sent).rejects.toMatchObject({ code: 'unknown' });
  await platform.flush();
  server.stop();
  await platform.advance(540_000);
  const waiting = client.publish('t', 'x', 2);
  await platform.advance(100_000);
  await outcome;
  server.mute = false;
  server.start();
  await platform.advance(2000);
  await waiting;
  expect(published(server)).toEqual([1, 2]);
});

test('a full queue rejects at once', async () => {
  const { client, platform } = startClient({ offlineQueue: { maxMessages: 2 } });
  const kept = [client.publish('t', 'x', 1), client.publish('t', 'x', 2)];
  await expect(client.publish('t', 'x', 3)).rejects.toMatchObject({
    code: 'overloaded',
    message: expect.stringContaining('maxMessages'),
  });
  await platform.flush();
  await Promise.all(kept);
});

test('what was never sent rejects with unavailable after maxAgeMs', async () => {
  const { platform, server, client } = startClient({ offlineQueue: { maxAgeMs: 5000 } });
  server.stop();
  const outcome = expect(client.publish('t', 'x', 1)).rejects.toMatchObject({ code: 'unavailable' });
  await platform.advance(3000);
  const later = expect(client.publish('t', 'x', 2)).rejects.toMatchObject({ code: 'unavailable' });
  await platform.advance(2000);
  await outcome;
  await platform.advance(3000);
  await later;
});

test('[PUB-6] what is refused for now is repeated in order after a delay', async () => {
  const { platform, server, client } = startClient();
  await platform.flush();
  server.refusals.push({ code: 'unavailable' }, { code: 'overloaded' }, { code: 'storage-full' });
  const results = [1, 2, 3].map((n) => client.publish('t', 'x', n));
  await platform.flush();
  results.push(client.publish('t', 'x', 4));
  await platform.flush();
  expect(published(server)).toEqual([]);
  await platform.advance(10_000);
  await Promise.all(results);
  expect(published(server)).toEqual([1, 2, 3, 4]);
});

test('[LIM-3] after rate-limited it waits as long as it is told', async () => {
  const { platform, server, client } = startClient();
  await platform.flush();
  server.refusals.push({ code: 'rate-limited', details: { retryAfterMs: 3000 } });
  const result = client.publish('t', 'x', 1);
  await platform.advance(2999);
  expect(published(server)).toEqual([]);
  await platform.advance(101);
  await result;
});

test('[LIM-3] it keeps below the rate that the server allows, unless its role is exempt', async () => {
  const { platform, server, client } = startClient();
  server.roles = ['agent'];
  server.cutAll();
  await platform.advance(2000);
  const results = Array.from({ length: 400 }, (_, i) => client.publish('t', 'x', i));
  await platform.flush();
  expect(published(server)).toHaveLength(180);
  await platform.advance(1000);
  expect(published(server).length).toBeGreaterThanOrEqual(268);
  expect(published(server).length).toBeLessThanOrEqual(270);
  await platform.advance(2000);
  await Promise.all(results);
});

test('what the server keeps refusing for now rejects in the end', async () => {
  const { platform, server, client } = startClient();
  await platform.flush();
  server.refusals.push(...Array.from({ length: 13 }, () => ({ code: 'unavailable' as const })));
  const outcome = expect(client.publish('t', 'x', 1)).rejects.toMatchObject({ code: 'unavailable' });
  await platform.advance(60_000);
  await outcome;
});

test('[PUB-3] [PUB-5] what the server refuses for good rejects with its code and details, and the others go on', async () => {
  const { platform, server, client } = startClient();
  await platform.flush();
  server.refusals.push({ code: 'conflict', details: { position: 'e1:7' } }, { code: 'sealed' });
  const conflict = expect(client.publish('t', 'x', 1, { expectOffset: 3 })).rejects.toMatchObject({
    code: 'conflict',
    details: { position: 'e1:7' },
  });
  const sealed = expect(client.publish('t', 'x', 2)).rejects.toMatchObject({ code: 'sealed' });
  const fine = client.publish('t', 'x', 3);
  await platform.flush();
  await Promise.all([conflict, sealed, fine]);
});

test('[LIM-1] what is larger than a message may be rejects here, and costs no connection', async () => {
  const { platform, client, states } = startClient();
  await platform.flush();
  await expect(client.publish('t', 'x', 'ü'.repeat(32_000))).rejects.toMatchObject({ code: 'too-large' });
  const large = client.publish('t', 'x', 'u'.repeat(63_000));
  await platform.flush();
  await large;
  expect(states).toEqual(['connecting', 'connected']);
});

test('what cannot be JSON, or names no topic, rejects at once', async () => {
  const { client } = startClient();
  await expect(client.publish('t', 'x', 1n)).rejects.toMatchObject({ code: 'bad-message' });
  await expect(client.publish('t.*', 'x', 1)).rejects.toMatchObject({ code: 'bad-topic' });
});

test('close() rejects what waits: unavailable when never sent, unknown when sent', async () => {
  const { platform, server, client } = startClient();
  await platform.flush();
  server.mute = true;
  const sent = expect(client.publish('t', 'x', 1)).rejects.toMatchObject({ code: 'unknown' });
  await platform.flush();
  server.stop();
  const waiting = expect(client.publish('t', 'x', 2)).rejects.toMatchObject({ code: 'unavailable' });
  await platform.flush();
  client.close();
  await Promise.all([sent, waiting]);
  await expect(client.publish('t', 'x', 3)).rejects.toMatchObject({ code: 'unavailable' });
  expect(platform.pendingTimers).toBe(0);
});

test('when the client gives up, what waits is rejected with the reason', async () => {
  const { platform, server, client } = startClient({ token: 'forged' });
  server.needsToken = true;
  const waiting = expect(client.publish('t', 'x', 1)).rejects.toMatchObject({
    code: 'unavailable',
    cause: { code: 'unauthorized' },
  });
  await platform.flush();
  await waiting;
  await expect(client.publish('t', 'x', 2)).rejects.toMatchObject({ cause: { code: 'unauthorized' } });
});
