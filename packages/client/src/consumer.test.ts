import { expect, test } from 'vitest';
import { startClient } from '../test/start-client.ts';
import type { Message } from './consumer-types.ts';
import type { Gap } from './types.ts';

const INBOX = 'user.ada';

async function next(loop: AsyncIterator<Message, undefined>): Promise<Message> {
  const { value } = await loop.next();
  if (value === undefined) throw new Error('the loop has ended');
  return value;
}

test('[ACK-4] a loop acknowledges a message when it asks for the next one', async () => {
  const { platform, server, client } = startClient();
  for (let i = 1; i <= 3; i++) server.append(INBOX, i);
  const loop = client.inbox()[Symbol.asyncIterator]();
  await platform.flush();
  expect(platform.socket.messages.at(-1)).toMatchObject({
    type: 'subscribe',
    topic: INBOX,
    consumer: 'inbox',
  });
  expect((await next(loop)).data).toBe(1);
  await platform.advance(100);
  expect(server.acked(INBOX, 'inbox')).toBe(0);
  expect((await next(loop)).data).toBe(2);
  await platform.flush();
  expect(server.acked(INBOX, 'inbox')).toBe(1);
});

test('[ACK-4] leaving the loop acknowledges what was handled, and not the message it was left with', async () => {
  const { platform, server, client } = startClient();
  for (let i = 1; i <= 3; i++) server.append(INBOX, i);
  const inbox = client.inbox();
  await platform.flush();
  const seen: unknown[] = [];
  for await (const { data } of inbox) if (seen.push(data) === 3) break;
  await platform.flush();
  expect(inbox.closed).toBe(true);
  expect(server.acked(INBOX, 'inbox')).toBe(2);
  expect(platform.socket.messages.slice(-2)).toMatchObject([
    { type: 'ack', offset: 2, consumer: 'inbox' },
    { type: 'unsubscribe' },
  ]);
});

test('[ACK-4] a message that was acknowledged by hand is, also when the loop is left with it', async () => {
  const { platform, server, client } = startClient();
  server.append(INBOX, 1);
  const inbox = client.inbox();
  await platform.flush();
  for await (const message of inbox) {
    message.ack();
    break;
  }
  await platform.flush();
  expect(server.acked(INBOX, 'inbox')).toBe(1);
});

test('[ACK-4] acknowledgements are gathered: one at once, then one every 50 ms', async () => {
  const { platform, server, client } = startClient();
  for (let i = 1; i <= 100; i++) server.append(INBOX, i);
  const loop = client.inbox()[Symbol.asyncIterator]();
  await platform.flush();
  for (let i = 1; i <= 100; i++) await next(loop);
  await platform.flush();
  expect(server.acks).toEqual([1]);
  await platform.advance(50);
  expect(server.acks).toEqual([1, 99]);
});

test('[ACK-6] a handler acknowledges what it does not throw for; what failed holds the others back until it comes again', async () => {
  const { platform, server, client } = startClient();
  const inbox = client.inbox();
  const handed: unknown[] = [];
  const failures: unknown[] = [];
  inbox.on('failed', ({ message, error }) => failures.push([message.offset, (error as Error).message]));
  const done = inbox.handle(async ({ data, attempt }) => {
    handed.push([data, attempt]);
    if (data === 2 && attempt === undefined) throw new Error('not today');
  });
  await platform.flush();
  for (let i = 1; i <= 4; i++) server.append(INBOX, i);
  await platform.advance(100);
  expect(server.acked(INBOX, 'inbox')).toBe(1);
  expect(failures).toEqual([[2, 'not today']]);
  server.redeliver(2);
  await platform.advance(100);
  expect(handed).toEqual([[1], [2], [3], [4], [2, 2]].map(([data, attempt]) => [data, attempt]));
  expect(server.acked(INBOX, 'inbox')).toBe(4);
  inbox.close();
  await done;
});

test('[ACK-6] what comes again while it waits or is being handled is not handed over twice', async () => {
  const { platform, server, client } = startClient();
  const handed: unknown[] = [];
  let finish = (): void => {};
  void client.inbox().handle(({ data }) => {
    handed.push(data);
    return new Promise<void>((resolve) => {
      finish = resolve;
    });
  });
  await platform.flush();
  server.append(INBOX, 1);
  server.append(INBOX, 2);
  await platform.flush();
  server.redeliver(2);
  await platform.flush();
  finish();
  await platform.flush();
  finish();
  await platform.advance(100);
  expect(handed).toEqual([1, 2]);
  expect(server.acked(INBOX, 'inbox')).toBe(2);
});

test('[ACK-1] [ACK-7] after a lost connection what was handled is acknowledged again and not handed over again', async () => {
  const { platform, server, client } = startClient();
  const handed: unknown[] = [];
  void client.inbox().handle(({ data }) => handed.push(data));
  await platform.flush();
  platform.socket.held = true;
  for (let i = 1; i <= 3; i++) server.append(INBOX, i);
  platform.socket.held = false;
  // The events arrive, the acknowledgements are lost.
  await platform.deliver(10);
  await platform.deliver(0);
  server.cutAll();
  expect(server.acked(INBOX, 'inbox')).toBe(0);
  server.append(INBOX, 4);
  await platform.advance(2000);
  expect(handed).toEqual([1, 2, 3, 4]);
  expect(server.acked(INBOX, 'inbox')).toBe(4);
  const subscriptions = platform.socket.messages.filter(({ type }) => type === 'subscribe');
  expect(subscriptions.at(-1)).not.toHaveProperty('since');
});

test('[ACK-5] what other devices acknowledge is told, and holds nothing back', async () => {
  const { platform, server, client } = startClient();
  const inbox = client.inbox();
  const acknowledged: unknown[] = [];
  inbox.on('acknowledged', (value) => acknowledged.push(value));
  void inbox.handle(({ data }) => {
    if (data === 1) throw new Error('never');
  });
  await platform.flush();
  server.append(INBOX, 1);
  server.append(INBOX, 2);
  await platform.advance(100);
  expect(server.acked(INBOX, 'inbox')).toBe(0);
  server.moveOn(INBOX, 'inbox', 1);
  await platform.advance(100);
  expect(acknowledged).toEqual([{ topic: INBOX, offset: 1 }]);
  expect(server.acked(INBOX, 'inbox')).toBe(2);
});

test('[ACK-4] an acknowledgement that is refused for now is sent again', async () => {
  const { platform, server, client } = startClient();
  server.append(INBOX, 1);
  void client.inbox().handle(() => server.refusals.push({ code: 'unavailable' }, { code: 'rate-limited' }));
  await platform.flush();
  expect(server.acked(INBOX, 'inbox')).toBe(0);
  await platform.advance(5000);
  expect(server.acked(INBOX, 'inbox')).toBe(1);
});

test('[ACK-1] a slow handler holds no more than its bound, and gets everything once', async () => {
  const { platform, server, client } = startClient();
  for (let i = 1; i <= 50; i++) server.append(INBOX, i);
  const loop = client.inbox({ maxBufferedMessages: 10 })[Symbol.asyncIterator]();
  await platform.flush();
  expect(platform.socket.messages.at(-1)).toMatchObject({ type: 'unsubscribe' });
  const seen: unknown[] = [];
  while (seen.length < 50) {
    seen.push((await next(loop)).data);
    await platform.advance(10);
  }
  expect(seen).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
  await platform.advance(100);
  expect(server.acked(INBOX, 'inbox')).toBe(49);
});

test('[ACK-1] a topic that is deleted and written anew is consumed from its beginning', async () => {
  const { platform, server, client } = startClient();
  const handed: unknown[] = [];
  void client.consume('jobs', { consumer: 'mailer' }).handle(({ data }) => handed.push(data));
  await platform.flush();
  server.append('jobs', 'old');
  await platform.flush();
  server.recreate('jobs');
  server.append('jobs', 'new');
  await platform.flush();
  expect(handed).toEqual(['old', 'new']);
});

test('[ACK-1] a topic that was sealed, deleted and written anew does not end its consumer where the old one ended', async () => {
  const { platform, server, client } = startClient();
  const consumer = client.consume('jobs', { consumer: 'mailer' });
  const handed: unknown[] = [];
  consumer.on('message', ({ data, ack }) => {
    handed.push(data);
    // The old one was not handled to its end.
    if (data !== 'old') ack();
  });
  await platform.flush();
  server.append('jobs', 'old');
  server.append('jobs', 'old', { seal: true });
  await platform.flush();
  server.recreate('jobs');
  for (const n of [1, 2, 3]) {
    server.append('jobs', n);
    await platform.flush();
  }
  expect(handed).toEqual(['old', 'old', 1, 2, 3]);
  expect(consumer.closed).toBe(false);
});

test('[ACK-1] a sealed topic ends its consumer when the last message is acknowledged', async () => {
  const { platform, server, client } = startClient();
  server.append('jobs', 1);
  server.append('jobs', 2, { seal: true });
  const seen: unknown[] = [];
  const read = async (): Promise<void> => {
    for await (const { data } of client.consume('jobs', { consumer: 'mailer' })) seen.push(data);
  };
  const first = read();
  await platform.advance(100);
  await first;
  expect(server.acked('jobs', 'mailer')).toBe(2);
  // Nothing is left for who comes later.
  const second = read();
  await platform.advance(100);
  await second;
  expect(seen).toEqual([1, 2]);
});

test('two consumers of one topic, and its plain readers, do not disturb each other', async () => {
  const { platform, server, client } = startClient();
  const plain: unknown[] = [];
  client.topic('jobs').on('event', ({ data }) => plain.push(data));
  const handed: [string, unknown][] = [];
  for (const consumer of ['a', 'b']) {
    void client.consume('jobs', { consumer }).handle(({ data }) => handed.push([consumer, data]));
  }
  await platform.flush();
  server.append('jobs', 1);
  await platform.advance(100);
  expect(handed).toEqual([
    ['a', 1],
    ['b', 1],
  ]);
  expect(plain).toEqual([1]);
  expect([server.acked('jobs', 'a'), server.acked('jobs', 'b')]).toEqual([1, 1]);
});

test('what was over before it could be sent is a gap', async () => {
  const { platform, server, client } = startClient();
  for (let i = 1; i <= 3; i++) server.append(INBOX, i);
  server.trim(INBOX, 2);
  const inbox = client.inbox();
  const gaps: Gap[] = [];
  inbox.on('gap', (gap) => gaps.push(gap));
  await platform.flush();
  expect(gaps).toMatchObject([{ topic: INBOX, reason: 'expired' }]);
});

test('[AUTH-8] a refused inbox throws its code into the loop', async () => {
  const { platform, server, client } = startClient();
  server.refuseSubscribe.set('user.bob', 'forbidden');
  const handling = client.inbox({ userId: 'bob' }).handle(() => {});
  const refused = expect(handling).rejects.toMatchObject({ code: 'forbidden' });
  await platform.flush();
  await refused;
});

test('an inbox of a client that gives up before it knows whose it is throws', async () => {
  const { platform, client } = startClient({ token: 'forged' });
  const handling = client.inbox().handle(() => {});
  const thrown = expect(handling).rejects.toMatchObject({ code: 'unauthorized' });
  await platform.flush();
  await thrown;
});

test('closing the client acknowledges what was handled, and ends its consumers', async () => {
  const { platform, server, client } = startClient();
  server.append(INBOX, 1);
  server.append(INBOX, 2);
  const handling = client.inbox().handle(() => {});
  await platform.flush();
  client.close();
  await platform.flush();
  await handling;
  expect(server.acked(INBOX, 'inbox')).toBe(2);
  expect(client.inbox().closed).toBe(true);
  expect(platform.pendingTimers).toBe(0);
});

test('what a consumer is no topic for is refused at once', () => {
  const { client } = startClient();
  expect(() => client.consume('jobs.*', { consumer: 'a' })).toThrow(
    expect.objectContaining({ code: 'bad-topic' }),
  );
});

test('[ACK-4] a listener gets messages as they come, and acknowledges them by hand, in any order', async () => {
  const { platform, server, client } = startClient();
  server.append(INBOX, 1);
  server.append(INBOX, 2);
  const inbox = client.inbox();
  await platform.flush();
  const messages: Message[] = [];
  inbox.on('message', (message) => messages.push(message));
  await platform.flush();
  server.append(INBOX, 3);
  await platform.flush();
  expect(messages.map(({ data }) => data)).toEqual([1, 2, 3]);
  messages[1]?.ack();
  await platform.advance(100);
  expect(server.acks).toEqual([]);
  messages[0]?.ack();
  await platform.advance(100);
  expect(server.acked(INBOX, 'inbox')).toBe(2);
});
