import { type Chat, chatView } from '@millrace/catalog/views';
import { MillraceError, type MillraceEvent } from '@millrace/protocol';
import { ApiClient, TestServer, until } from '@millrace/testkit';
import { afterEach, describe, expect, test } from 'vitest';
import { createClient } from '../client.ts';
import type { Client, ClientOptions } from '../types.ts';
import { publishAnswer } from './index.ts';

let server: TestServer;
const clients: Client[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await server.close();
});

async function start(options: Partial<ClientOptions> = {}): Promise<Client> {
  server = await TestServer.start();
  const client = createClient({
    url: server.origin,
    token: () => server.token({ roles: ['publisher'] }),
    ...options,
  });
  clients.push(client);
  return client;
}

async function api(): Promise<ApiClient> {
  return new ApiClient(server.origin, await server.token());
}

async function history(topic = 'chat.c'): Promise<MillraceEvent<Record<string, unknown>>[]> {
  const path = `/api/v1/topics/${topic}/events?since=earliest&limit=1000`;
  return (await (await api()).get<{ events: MillraceEvent<Record<string, unknown>>[] }>(path)).body.events;
}

async function chat(): Promise<Chat> {
  return (await history()).reduce(chatView.fold, chatView.initial());
}

async function* words(count: number): AsyncGenerator<string, void> {
  for (let i = 0; i < count; i++) {
    if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    yield `水車${i} `;
  }
}

const textOf = async () => (await chat()).messages[0]?.text;
const wholeText = (count: number) => Array.from({ length: count }, (_, i) => `水車${i} `).join('');

describe('an answer that an application publishes', () => {
  test('[LLM-2] is exactly what its iterable yields', async () => {
    const client = await start();
    const options = { conversationId: 'c', streamId: 's-1', model: 'tiny', messageId: 'm-1' };
    const published = await publishAnswer(client, options, words(500));
    expect(published).toMatchObject({
      streamId: 's-1',
      topic: 'chat.c',
      tokens: 500,
      finishReason: 'stop',
    });
    expect(await textOf()).toBe(wholeText(500));
    const events = await history();
    expect(events[0]).toMatchObject({
      event: 'stream.start',
      data: { stream_id: 's-1', conversation_id: 'c', model: 'tiny', message_id: 'm-1' },
    });
    let next = 0;
    for (const { event, data } of events.slice(1, -1)) {
      expect([event, data.index]).toEqual(['stream.token', next]);
      next += data.tokens as number;
    }
    expect(events.at(-1)).toMatchObject({
      event: 'stream.end',
      data: { tokens: 500, finish_reason: 'stop' },
    });
  });

  test('says how it ended as its iterable returns', async () => {
    const client = await start();
    const published = await publishAnswer(client, { conversationId: 'c' }, async function* () {
      yield 'a';
      return 'length';
    });
    expect(published.finishReason).toBe('length');
  });

  test('[LLM-3] that throws ends with an error after what came of it, and throws on', async () => {
    const client = await start();
    const publishing = publishAnswer(client, { conversationId: 'c' }, async function* () {
      yield* words(30);
      throw new Error('the model fell over');
    });
    await expect(publishing).rejects.toThrow('the model fell over');
    expect(await textOf()).toBe(wholeText(30));
    expect((await history()).at(-1)).toMatchObject({
      event: 'stream.error',
      data: { code: 'failed', message: 'the model fell over', tokens: 30 },
    });
  });

  test('that the server refuses for good throws, and its iterable is ended', async () => {
    const client = await start({ token: () => server.token({ roles: ['observer'] }) });
    let ended = false;
    const publishing = publishAnswer(client, { conversationId: 'c' }, async function* () {
      try {
        for (;;) yield* words(10);
      } finally {
        ended = true;
      }
    });
    await expect(publishing).rejects.toThrow(MillraceError);
    await until(() => ended, 'the iterable to be ended');
  });

  test('waits while too many other publications do', async () => {
    const client = await start({ offlineQueue: { maxMessages: 1 } });
    const options = ['a', 'b', 'c'].map((conversationId) => ({ conversationId }));
    const published = await Promise.all(options.map((each) => publishAnswer(client, each, words(50))));
    expect(published.map(({ tokens }) => tokens)).toEqual([50, 50, 50]);
  });

  test('stops taking tokens while too much of it waits', async () => {
    const client = await start();
    await server.server.close();
    let taken = 0;
    const abort = new AbortController();
    const publishing = publishAnswer(
      client,
      { conversationId: 'c', signal: abort.signal },
      async function* () {
        for (;;) {
          taken += 10_000;
          yield 'x'.repeat(10_000);
        }
      },
    );
    await until(() => taken > 256 * 1024, 'the iterable to be ahead');
    await new Promise((resolve) => setImmediate(resolve));
    expect(taken).toBeLessThan(300_000);
    client.close();
    await expect(publishing).rejects.toThrow('closed');
  });
});

describe('an answer that is cancelled', () => {
  async function* endless(signal: AbortSignal): AsyncGenerator<string, void> {
    while (!signal.aborted) {
      yield 'on and on ';
      await new Promise((resolve) => setImmediate(resolve));
    }
    // As a provider's request does.
    signal.throwIfAborted();
  }

  test('[LLM-5] by a reader, through the server, ends with what has come of it', async () => {
    const client = await start();
    const publishing = publishAnswer(client, { conversationId: 'c', streamId: 's-1' }, endless);
    const asker = await api();
    await until(
      async () => (await asker.post('/api/v1/llm/s-1/cancel', { conversation_id: 'c' })).status === 202,
      'the answer to be under way',
    );
    expect((await publishing).finishReason).toBe('cancelled');
    const { messages } = await chat();
    expect(messages[0]?.answer).toMatchObject({ state: 'cancelled' });
    expect(messages[0]?.text).toContain('on and on');
  });

  test('[LLM-5] for another conversation goes on', async () => {
    const client = await start();
    const abort = new AbortController();
    const options = { conversationId: 'c', streamId: 's-1', signal: abort.signal };
    const publishing = publishAnswer(client, options, endless);
    const data = { id: 's-1', topic: 'chat.other' };
    await server.server.publish('control.s-1', 'control.cancel', data);
    const before = (await history()).length;
    await until(async () => (await history()).length > before + 2, 'more of the answer');
    abort.abort();
    expect((await publishing).finishReason).toBe('cancelled');
  });

  test('by its application before it has begun is over at once', async () => {
    const client = await start();
    const options = { conversationId: 'c', signal: AbortSignal.abort() };
    const never = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) };
    expect(await publishAnswer(client, options, never)).toMatchObject({
      finishReason: 'cancelled',
      tokens: 0,
    });
  });
});
