import { expect, test } from 'vitest';
import { collect, startClient, take } from '../test/start-client.ts';
import type { Gap, Subscribed } from './types.ts';

test('[SUB-1] [SUB-3] history comes first, then what is live, and the position moves with what was handed over', async () => {
  const { platform, server, client } = startClient();
  server.append('t', 1);
  server.append('t', 2);
  const sub = client.topic('t', { since: 'earliest' });
  const answers: Subscribed[] = [];
  sub.on('subscribed', (answer) => answers.push(answer));
  const loop = sub[Symbol.asyncIterator]();
  await platform.flush();
  server.append('t', 3);
  await platform.flush();
  expect(await take(loop, 2)).toEqual([1, 2]);
  expect(sub.position).toBe('e1:2');
  expect(await take(loop, 1)).toEqual([3]);
  expect(sub.position).toBe('e1:3');
  expect(answers).toEqual([{ topic: 't', position: 'e1:2', replayed: 2, recovered: true }]);
});

test('[SUB-2] without since it begins with what is published after the answer', async () => {
  const { platform, server, client } = startClient();
  server.append('t', 1);
  const sub = client.topic('t');
  const seen = collect(sub);
  await platform.flush();
  expect(sub.position).toBe('e1:1');
  server.append('t', 2);
  await platform.flush();
  expect(seen).toEqual([2]);
});

test('what comes before anybody listens waits', async () => {
  const { platform, server, client } = startClient();
  const listened = client.topic('t');
  const looped = client.topic('t');
  await platform.flush();
  server.append('t', 1);
  await platform.flush();
  const seen = collect(listened);
  server.append('t', 2);
  await platform.flush();
  expect(seen).toEqual([1, 2]);
  expect(await take(looped[Symbol.asyncIterator](), 2)).toEqual([1, 2]);
});

test('[REC-1] after a lost connection a topic goes on where it stopped, each event once', async () => {
  const { platform, server, client } = startClient();
  const seen = collect(client.topic('t', { since: 'earliest' }));
  for (let i = 1; i <= 20; i++) {
    await platform.flush();
    server.append('t', i);
    if (i % 3 === 0) {
      server.cutAll();
      server.append('t', i + 0.5);
      await platform.advance(2000);
    }
  }
  await platform.flush();
  const expected = server.eventsOf('t').map(({ data }) => data);
  expect(seen).toEqual(expected);
});

test('[REC-3] [REC-6] a pattern goes on from its cursor, with topics that were born meanwhile, each event once', async () => {
  const { platform, server, client } = startClient();
  const sub = client.topic('task.*');
  const seen = collect(sub);
  await platform.flush();
  server.append('task.a', 'a1');
  server.append('task.b.c', 'bc1');
  await platform.flush();
  expect(sub.cursor).toBe('d1.0');
  server.cutAll();
  server.append('task.a', 'a2');
  server.append('task.new', 'n1');
  await platform.advance(2000);
  expect(platform.socket.messages.at(-1)).toMatchObject({
    type: 'subscribe',
    topic: 'task.*',
    since: 'd1.0',
  });
  server.append('task.a', 'a3');
  await platform.flush();
  expect(seen).toEqual(['a1', 'bc1', 'a2', 'n1', 'a3']);
  expect(sub.cursor).toBe('d1.4');
});

test.each(['task.*', 'task.a'])(
  '[REC-1] a cut in the middle of the replay of %s neither loses nor repeats',
  async (topic) => {
    const { platform, server, client } = startClient();
    for (let i = 0; i < 10; i++) server.append('task.a', i);
    let events = 0;
    platform.socket.loses = (message) => 'offset' in message && ++events > 4;
    const sub = client.topic(topic, { since: 'earliest' });
    const seen = collect(sub);
    await platform.flush();
    expect(seen).toEqual([0, 1, 2, 3]);
    expect(sub.cursor).toBeUndefined();
    server.cutAll();
    server.append('task.a', 'last');
    await platform.advance(2000);
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 'last']);
  },
);

test('[HB-4] a quiet pattern resumes from the last cursor it was told', async () => {
  const { platform, server, client } = startClient();
  const sub = client.topic('task.*');
  await platform.flush();
  server.append('other', 1);
  server.send({ type: 'position', cursor: server.cursor });
  await platform.flush();
  expect(sub.cursor).toBe('d1.1');
  server.cutAll();
  await platform.advance(2000);
  expect(platform.socket.messages.at(-1)).toMatchObject({ since: 'd1.1' });
});

test('a cursor does not run ahead of what a loop has taken', async () => {
  const { platform, server, client } = startClient();
  const sub = client.topic('task.*');
  const loop = sub[Symbol.asyncIterator]();
  await platform.flush();
  server.append('task.a', 1);
  server.send({ type: 'position', cursor: 'd1.1' });
  await platform.flush();
  expect(sub.cursor).toBe('d1.0');
  await take(loop, 1);
  expect(sub.cursor).toBe('d1.1');
});

test('[REC-1] [REC-2] when recovery is not possible there is a gap, and reading goes on', async () => {
  const { platform, server, client } = startClient();
  const gaps: Gap[] = [];
  const sub = client.topic('t', { since: 'earliest' });
  sub.on('gap', (gap) => gaps.push(gap));
  const seen = collect(sub);
  server.append('t', 1);
  await platform.flush();
  server.cutAll();
  server.append('t', 2);
  server.append('t', 3);
  server.trim('t', 2);
  await platform.advance(2000);
  expect(gaps).toEqual([{ topic: 't', reason: 'expired' }]);
  server.append('t', 4);
  await platform.flush();
  expect(seen).toEqual([1, 4]);

  server.cutAll();
  server.recreate('t');
  await platform.advance(2000);
  server.append('t', 'new life');
  await platform.flush();
  expect(gaps.at(-1)).toEqual({ topic: 't', reason: 'epoch' });
  expect(seen).toEqual([1, 4, 'new life']);
});

test('[REC-8] `dropped` is a gap with its bounds', async () => {
  const { platform, server, client } = startClient();
  const gaps: Gap[] = [];
  client.topic('t').on('gap', (gap) => gaps.push(gap));
  await platform.flush();
  server.send({ type: 'dropped', topic: 't', from: 3, to: 5, count: 3, reason: 'expired' });
  await platform.flush();
  expect(gaps).toEqual([{ topic: 't', reason: 'expired', from: 3, to: 5, count: 3 }]);
});

test('[FLOW-2] the server tells how far it is behind', async () => {
  const { platform, server, client } = startClient();
  const behind: number[] = [];
  client.topic('t').on('lag', (lag) => behind.push(lag.behind));
  await platform.flush();
  server.send({ type: 'lag', behind: 300 });
  server.send({ type: 'lag', topic: 't', behind: 0 });
  await platform.flush();
  expect(behind).toEqual([300, 0]);
});

test('[SUB-8] the loop ends after the event that seals the topic', async () => {
  const { platform, server, client } = startClient();
  server.append('t', 1);
  const sub = client.topic('t', { since: 'earliest' });
  const facts: string[] = [];
  sub.on('sealed', () => facts.push('sealed'));
  sub.on('closed', () => facts.push('closed'));
  await platform.flush();
  server.append('t', 2, { seal: true });
  await platform.flush();
  const seen: unknown[] = [];
  for await (const { data } of sub) {
    expect(facts).toEqual([]);
    seen.push(data);
  }
  expect(seen).toEqual([1, 2]);
  expect(facts).toEqual(['sealed', 'closed']);
  expect(platform.socket.messages.at(-1)).toMatchObject({ type: 'unsubscribe', topic: 't' });
});

test('[SUB-8] a topic that was sealed before is read to its end, and ends at once when there is nothing to read', async () => {
  const { platform, server, client } = startClient();
  server.append('t', 1);
  server.append('t', 2, { seal: true });
  const whole = client.topic('t', { since: 'earliest' });
  const nothing = client.topic('t');
  await platform.flush();
  const seen: unknown[] = [];
  for await (const { data } of whole) seen.push(data);
  for await (const { data } of nothing) seen.push(data);
  expect(seen).toEqual([1, 2]);
});

test('[SUB-8] a pattern does not end with one of its topics', async () => {
  const { platform, server, client } = startClient();
  const seen = collect(client.topic('task.*'));
  await platform.flush();
  server.append('task.a', 1, { seal: true });
  server.append('task.b', 2);
  await platform.flush();
  expect(seen).toEqual([1, 2]);
});

test('[AUTH-6] a refused subscription throws its code into the loop, and the connection lives on', async () => {
  const { platform, server, client, states } = startClient();
  server.refuseSubscribe.set('secret', 'forbidden');
  const sub = client.topic('secret');
  const errors: string[] = [];
  sub.on('error', ({ code }) => errors.push(code));
  await platform.flush();
  await expect(sub[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'forbidden' });
  expect(errors).toEqual(['forbidden']);
  expect(sub.closed).toBe(true);
  expect(states).toEqual(['connecting', 'connected']);
});

test('a subscription that is refused for now is asked for again', async () => {
  const { platform, server, client } = startClient();
  server.refuseSubscribe.set('t', 'rate-limited');
  const seen = collect(client.topic('t'));
  await platform.flush();
  server.refuseSubscribe.clear();
  await platform.advance(1000);
  server.append('t', 1);
  await platform.flush();
  expect(seen).toEqual([1]);
});

test('a subscription that the server ends throws', async () => {
  const { platform, server, client } = startClient();
  const sub = client.topic('t');
  await platform.flush();
  server.send({ type: 'unsubscribed', topic: 't', code: 'forbidden', reason: 'the token was narrowed' });
  await platform.flush();
  await expect(sub[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'forbidden' });
});

test('when the client gives up the loop throws, and a new loop goes on where it stopped', async () => {
  const { platform, server, client } = startClient();
  const sub = client.topic('t');
  await platform.flush();
  const next = sub[Symbol.asyncIterator]().next();
  platform.socket.pushClose(4504, 'go away');
  const thrown = expect(next).rejects.toMatchObject({ code: 'disconnected' });
  await platform.flush();
  await thrown;
  server.append('t', 1);
  client.connect();
  await platform.flush();
  expect(await take(sub[Symbol.asyncIterator](), 1)).toEqual([1]);
});

test('a subscription made after the client gave up throws too', async () => {
  const { platform, client } = startClient();
  await platform.flush();
  platform.socket.pushClose(4504, 'go away');
  await platform.flush();
  const next = client.topic('t')[Symbol.asyncIterator]().next();
  await expect(next).rejects.toMatchObject({ code: 'disconnected' });
});

test('leaving the loop closes the subscription and frees it at the server', async () => {
  const { platform, server, client } = startClient();
  const sub = client.topic('t');
  await platform.flush();
  server.append('t', 1);
  await platform.flush();
  for await (const _ of sub) break;
  await platform.flush();
  expect(sub.closed).toBe(true);
  expect([...server.sessions][0]?.topics.size).toBe(0);
});

test('close() ends a loop that waits', async () => {
  const { platform, client } = startClient();
  const sub = client.topic('t');
  await platform.flush();
  const next = sub[Symbol.asyncIterator]().next();
  sub.close();
  sub.close();
  expect(await next).toEqual({ done: true, value: undefined });
});

test('a second loop over one subscription is refused with advice', () => {
  const { client } = startClient();
  const sub = client.topic('t');
  sub[Symbol.asyncIterator]();
  expect(() => sub[Symbol.asyncIterator]()).toThrow('call client.topic() again');
});

test('[TOPIC-1] [TOPIC-2] what is neither topic nor pattern is refused at once', () => {
  const { client } = startClient();
  expect(() => client.topic('a..b')).toThrow(expect.objectContaining({ code: 'bad-topic' }));
  expect(() => client.topic('a.b*')).toThrow('"*" that is not a whole segment');
});

test('a slow loop holds no more than its bound: reading stops, and goes on from the log without loss', async () => {
  const { platform, server, client } = startClient();
  const sub = client.topic('t', { maxBufferedEvents: 10 });
  const loop = sub[Symbol.asyncIterator]();
  await platform.flush();
  for (let i = 1; i <= 10; i++) server.append('t', i);
  await platform.flush();
  expect(platform.socket.messages.at(-1)).toMatchObject({ type: 'unsubscribe', topic: 't' });
  for (let i = 11; i <= 25; i++) server.append('t', i);
  await platform.flush();
  expect(await take(loop, 4)).toEqual([1, 2, 3, 4]);
  expect([...server.sessions][0]?.topics.size).toBe(0);
  await take(loop, 1);
  await platform.flush();
  expect(platform.socket.messages.filter(({ type }) => type === 'subscribe').at(-1)).toMatchObject({
    since: { epoch: 'e1', offset: 10 },
  });
  const rest: unknown[] = [];
  while (rest.length < 20) {
    rest.push(...(await take(loop, 1)));
    await platform.flush();
  }
  expect(rest).toEqual(Array.from({ length: 20 }, (_, i) => i + 6));
});

test('a slow loop on a pattern loses and repeats nothing either, across lost connections', async () => {
  const { platform, server, client } = startClient();
  const loop = client.topic('task.*', { maxBufferedEvents: 4 })[Symbol.asyncIterator]();
  await platform.flush();
  const seen: unknown[] = [];
  for (let i = 1; i <= 40; i++) {
    server.append(`task.${i % 7}`, i);
    if (i % 11 === 0) server.cutAll();
    await platform.advance(i % 11 === 0 ? 2000 : 0);
    if (i % 2 === 0) seen.push(...(await take(loop, 1)));
  }
  while (seen.length < 40) {
    seen.push(...(await take(loop, 1)));
    await platform.flush();
  }
  expect([...seen].sort((a, b) => Number(a) - Number(b))).toEqual(
    Array.from({ length: 40 }, (_, i) => i + 1),
  );
  expect(seen).toEqual([...seen].sort((a, b) => Number(a) - Number(b)));
});

test('only what a filter lets through arrives, and a cut resumes behind what it kept back', async () => {
  const { platform, server, client } = startClient();
  for (let i = 1; i <= 9; i++) server.append('t', { n: i });
  const sub = client.topic('t', { since: 'earliest', filter: { 'data.n': { lte: 2 } } });
  const seen = collect(sub);
  await platform.flush();
  expect(seen).toEqual([{ n: 1 }, { n: 2 }]);
  for (let i = 0; i < 20; i++) server.append('t', { n: 100 + i });
  await platform.flush();
  server.trim('t', 25);
  const gaps: Gap[] = [];
  sub.on('gap', (gap) => gaps.push(gap));
  server.cutAll();
  server.append('t', { n: 0 });
  await platform.advance(2000);
  expect(platform.socket.messages.at(-1)).toMatchObject({
    since: 'e1:29',
    filter: { 'data.n': { lte: 2 } },
  });
  expect(seen.at(-1)).toEqual({ n: 0 });
  expect(gaps).toEqual([]);
});

test('a filtered pattern resumes from the cursor that it was told', async () => {
  const { platform, server, client } = startClient();
  const seen = collect(client.topic('task.*', { since: 'earliest', filter: { types: 'wanted' } }));
  await platform.flush();
  server.append('task.a', 1, { event: 'wanted' });
  server.append('task.b', 2);
  await platform.flush();
  server.cutAll();
  server.append('task.b', 3, { event: 'wanted' });
  await platform.advance(2000);
  expect(platform.socket.messages.at(-1)).toMatchObject({ since: 'd1.2' });
  expect(seen).toEqual([1, 3]);
});

test('readers with the same options share one subscription, others have one of their own on another connection', async () => {
  const { platform, server, client } = startClient();
  const small = { filter: { 'data.n': { lt: 10 } } };
  const first = collect(client.topic('t', small));
  const second = collect(client.topic('t', { ...small }));
  const all = collect(client.topic('t'));
  const slow = collect(client.topic('t', { slow: 'conflate' }));
  await platform.flush();
  const sent = platform.sockets.flatMap(({ messages }) => messages);
  expect(sent.filter(({ type }) => type === 'subscribe')).toHaveLength(3);
  expect(platform.sockets).toHaveLength(3);
  server.append('t', { n: 1 });
  server.append('t', { n: 11 });
  await platform.flush();
  expect([first, second, all, slow].map(({ length }) => length)).toEqual([1, 1, 2, 2]);
});

test('a filtered reader of a sealed topic ends where the topic does, also when its last event is kept back', async () => {
  const { platform, server, client } = startClient();
  server.append('t', 1, { event: 'wanted' });
  server.append('t', 2, { seal: true });
  const seen: unknown[] = [];
  const read = (async () => {
    const sub = client.topic('t', { since: 'earliest', filter: { types: ['wanted'] } });
    for await (const { data } of sub) seen.push(data);
  })();
  await platform.flush();
  await read;
  expect(seen).toEqual([1]);
});

test('a batch is taken apart in order; the options go out as they were when the subscription was made', async () => {
  const { platform, server, client } = startClient();
  for (let i = 1; i <= 3; i++) server.append('t', i);
  const batch = { maxEvents: 5 };
  const seen = collect(client.topic('t', { since: 'earliest', batch, filter: {}, slow: 'catchup' }));
  batch.maxEvents = 7;
  await platform.flush();
  expect(platform.socket.messages.at(-1)).toEqual({
    type: 'subscribe',
    id: 's1',
    topic: 't',
    since: 'earliest',
    batch: { maxEvents: 5 },
    slow: 'catchup',
  });
  expect(seen).toEqual([1, 2, 3]);
});

test('what a slow reader was spared is a gap of reason slow', async () => {
  const { platform, server, client } = startClient();
  const gaps: Gap[] = [];
  const sub = client.topic('t', { slow: 'drop-oldest' });
  sub.on('gap', (gap) => gaps.push(gap));
  await platform.flush();
  server.send({ type: 'dropped', topic: 't', from: 3, to: 5, count: 3, reason: 'slow' });
  await platform.flush();
  expect(gaps).toEqual([{ topic: 't', reason: 'slow', from: 3, to: 5, count: 3 }]);
});

test('messages and fields of later servers mean nothing', async () => {
  const { platform, server, client, errors } = startClient();
  const seen = collect(client.topic('t'));
  await platform.flush();
  server.send({ type: 'later', topic: 't', events: 7 });
  server.send({ type: 'acked', topic: 't', consumer: 'inbox', offset: 3 });
  server.send({ type: 'position', topic: 't', later: true });
  server.append('t', 1);
  await platform.flush();
  expect(seen).toEqual([1]);
  expect(errors).toEqual([]);
});
