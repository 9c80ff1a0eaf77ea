import { MillraceError } from '@millrace/protocol';
import { TestServer, until, within } from '@millrace/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CuttableProxy } from '../../test/cuttable-proxy.ts';
import { createClient } from '../client.ts';
import type { Client } from '../types.ts';
import { AnswerError, type AnswerReader, publishAnswer, readAnswer } from './index.ts';

let server: TestServer;
const ends: (() => unknown)[] = [];

beforeEach(async () => {
  server = await TestServer.start();
});

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  await server.close();
});

function start(url = server.origin, transport: 'websocket' | 'sse' = 'websocket'): Client {
  const client = createClient({ url, token: () => server.token(), transport });
  ends.push(() => client.close());
  return client;
}

/** Tokens that the test hands out one by one. */
class Faucet {
  readonly #waiting: (() => void)[] = [];
  #given: string[] = [];
  #end: { error?: Error } | undefined;

  give(...tokens: string[]): void {
    this.#given.push(...tokens);
    this.#wake();
  }

  end(error?: Error): void {
    this.#end = error === undefined ? {} : { error };
    this.#wake();
  }

  async *tokens(): AsyncGenerator<string, void> {
    for (;;) {
      for (const token of this.#given.splice(0)) yield token;
      if (this.#end?.error !== undefined) throw this.#end.error;
      if (this.#end !== undefined) return;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

const IDS = { conversationId: 'c', streamId: 's-1' } as const;

async function read(answer: AnswerReader): Promise<string[]> {
  const pieces: string[] = [];
  for await (const piece of answer) pieces.push(piece);
  return pieces;
}

describe('a reader of an answer', () => {
  test.each(['websocket', 'sse'] as const)(
    '[VIEW-1] over %s gets the text so far in one piece, then the rest, and ends with the answer',
    async (transport) => {
      const faucet = new Faucet();
      const publishing = publishAnswer(start(), IDS, faucet.tokens());
      const first = readAnswer(start(), 'c', 's-1');
      const all = read(first);
      for (const token of ['one ', 'two ', 'three ']) {
        faucet.give(token);
        await until(() => first.text.endsWith(token), `"${token}" to be read`);
      }
      const late = readAnswer(start(server.origin, transport), 'c', 's-1')[Symbol.asyncIterator]();
      expect((await late.next()).value).toBe('one two three ');
      faucet.give('four');
      expect((await late.next()).value).toBe('four');
      faucet.end();
      expect((await late.next()).done).toBe(true);
      expect((await all).join('')).toBe('one two three four');
      expect(first.finishReason).toBe('stop');
      await publishing;
    },
  );

  test('that comes after the end gets all of it', async () => {
    const client = start();
    const faucet = new Faucet();
    faucet.give('a', 'b', 'c');
    faucet.end();
    await publishAnswer(client, IDS, faucet.tokens());
    const answer = readAnswer(client, 'c', 's-1');
    expect(await read(answer)).toEqual(['abc']);
    expect([answer.text, answer.finishReason, answer.cut]).toEqual(['abc', 'stop', 0]);
  });

  test('waits for one that has not begun, and leaves others alone', async () => {
    const client = start();
    const reading = read(readAnswer(client, 'c', 's-1'));
    for (const streamId of ['s-0', 's-1']) {
      const faucet = new Faucet();
      faucet.give(streamId);
      faucet.end();
      await publishAnswer(client, { ...IDS, streamId }, faucet.tokens());
    }
    expect((await reading).join('')).toBe('s-1');
  });

  test.each([false, true])(
    '[LLM-3] throws where the answer fails, after what came of it; late: %s',
    async (late) => {
      const client = start();
      const faucet = new Faucet();
      const early = late ? undefined : readAnswer(client, 'c', 's-1');
      const publishing = publishAnswer(client, IDS, faucet.tokens());
      faucet.give('half');
      faucet.end(new Error('it broke'));
      await expect(publishing).rejects.toThrow('it broke');
      const answer = early ?? readAnswer(client, 'c', 's-1');
      const error = await read(answer).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(AnswerError);
      expect(error).toMatchObject({ code: 'failed', message: 'it broke', retryable: true });
      expect(answer.text).toBe('half');
    },
  );

  test('is told that the answer was cancelled', async () => {
    const client = start();
    const abort = new AbortController();
    const faucet = new Faucet();
    const answer = readAnswer(client, 'c', 's-1');
    const reading = read(answer);
    const publishing = publishAnswer(client, { ...IDS, signal: abort.signal }, faucet.tokens());
    faucet.give('half');
    await until(() => answer.text === 'half', 'the first token');
    abort.abort();
    await publishing;
    expect((await reading).join('')).toBe('half');
    expect(answer.finishReason).toBe('cancelled');
  });

  test('[REC-1] reads exactly the answer across cut connections', async () => {
    const proxy = await CuttableProxy.start(server.listening.port);
    ends.push(() => proxy.close());
    const client = start(proxy.url);
    const faucet = new Faucet();
    const answer = readAnswer(client, 'c', 's-1');
    const reading = read(answer);
    const publishing = publishAnswer(start(), IDS, faucet.tokens());
    let whole = '';
    for (let i = 0; i < 100; i++) {
      const token = `水車${i} `;
      whole += token;
      faucet.give(token);
      if (i % 20 === 10) {
        await until(() => answer.text !== '', 'some of it');
        proxy.cut();
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    faucet.end();
    await publishing;
    expect((await within(reading, 'the end')).join('')).toBe(whole);
  });

  test('ends with its signal, its client and its loop', async () => {
    const client = start();
    const abort = new AbortController();
    const reading = read(readAnswer(client, 'c', 's-1', { signal: abort.signal }));
    abort.abort(new Error('not any more'));
    await expect(reading).rejects.toThrow('not any more');
    const other = read(readAnswer(client, 'c', 's-1'));
    client.close();
    await expect(other).rejects.toThrow(MillraceError);
  });
});
