import { type FakeProvider, KillableServer, startFakeProvider, until, within } from '@millrace/testkit';
import { afterEach, describe, expect, test } from 'vitest';
import { createClient } from '../client.ts';
import type { Client } from '../types.ts';
import { AnswerError, type AnswerReader, publishAnswer, readAnswer } from './index.ts';

/*
 * A server that is killed as by a power cut, in a process of its own, while answers are given and read.
 */

const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function startServer(
  options: Parameters<typeof KillableServer.start>[0] = {},
): Promise<KillableServer> {
  const server = await KillableServer.start(options);
  ends.push(() => server.close());
  return server;
}

function clientOf(server: KillableServer): Client {
  const client = createClient({ url: server.origin, token: () => server.token() });
  ends.push(() => client.close());
  return client;
}

/** So many tokens at about a hundred a second, and all of their text. */
function answerOf(streamId: string, count: number) {
  const tokens = Array.from({ length: count }, (_, i) => `${streamId}-水車-${i} `);
  return {
    text: tokens.join(''),
    async *tokens(): AsyncGenerator<string, void> {
      for (const token of tokens) {
        yield token;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
  };
}

/** Reads to the end, and how the answer ended. */
async function read(answer: AnswerReader): Promise<{ text: string; error?: unknown }> {
  try {
    for await (const _ of answer);
    return { text: answer.text };
  } catch (error) {
    return { text: answer.text, error };
  }
}

const STREAMS = ['s-0', 's-1', 's-2', 's-3'];

describe('a server that is killed in the midst of answers', () => {
  test('[LLM-2] costs those that an application publishes nothing: every viewer ends with exactly the text', async () => {
    const server = await startServer();
    const publisher = clientOf(server);
    const viewers = [clientOf(server), clientOf(server)];
    const answers = STREAMS.map((streamId) => ({ streamId, ...answerOf(streamId, 300) }));
    const readings = answers.flatMap(({ streamId, text }) =>
      viewers.map((viewer) => ({ whole: text, reader: readAnswer(viewer, streamId, streamId) })),
    );
    const early = readings.map(async ({ reader, whole }) => ({ whole, ...(await read(reader)) }));
    const publishing = answers.map(({ streamId, tokens }) =>
      publishAnswer(publisher, { conversationId: streamId, streamId }, tokens()),
    );
    for (let kill = 1; kill <= 2; kill++) {
      const before = readings.map(({ reader }) => reader.text.length);
      await until(
        () => readings.every(({ reader }, i) => reader.text.length > (before[i] ?? 0) + 200),
        'the answers to go on',
        20_000,
      );
      await server.restart();
    }
    // Who comes only now gets all of it, too.
    const late = answers.map(async ({ streamId, text }) => ({
      whole: text,
      ...(await read(readAnswer(clientOf(server), streamId, streamId))),
    }));
    const results = await within(Promise.all([...early, ...late]), 'all viewers to end', 60_000);
    for (const { whole, ...result } of results) expect(result).toEqual({ text: whole });
    for (const published of await Promise.all(publishing)) {
      expect(published).toMatchObject({ tokens: 300, finishReason: 'stop' });
    }
  }, 120_000);

  test('[LLM-4] ends those that it gave itself when it is back, and no viewer hangs', async () => {
    const provider: FakeProvider = await startFakeProvider(() => ({ tokens: endless(), intervalMs: 10 }));
    ends.push(() => provider.close());
    const server = await startServer({
      llm: { providers: { local: { baseUrl: provider.url, model: 'tiny' } } },
    });
    const readings: AnswerReader[] = [];
    const authorization = `Bearer ${await server.token()}`;
    for (const conversation_id of STREAMS) {
      const response = await fetch(`${server.origin}/api/v1/llm/stream`, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json' },
        body: JSON.stringify({ prompt: 'Go on.', conversation_id }),
      });
      expect(response.status).toBe(202);
      const { stream_id } = (await response.json()) as { stream_id: string };
      for (const viewer of [clientOf(server), clientOf(server)]) {
        readings.push(readAnswer(viewer, conversation_id, stream_id));
      }
    }
    const results = readings.map(read);
    await until(() => readings.every(({ text }) => text.length > 100), 'the answers to be under way', 20_000);
    await server.kill();
    await Promise.all(provider.requests.map(({ ended }) => ended));
    await server.restart();
    const all = await within(Promise.all(results), 'all viewers to end', 30_000);
    for (const [i, { text, error }] of all.entries()) {
      expect(error).toBeInstanceOf(AnswerError);
      expect(error).toMatchObject({ code: 'interrupted', retryable: true });
      // The viewers of one answer have the same of it, and nothing that the provider did not say.
      expect(text).toBe(all[i - (i % 2)]?.text);
      expect(wholeText.startsWith(text)).toBe(true);
    }
    const metrics = await (await fetch(`${server.origin}/metrics`)).text();
    expect(metrics).toContain(`millrace_llm_sealed_total ${STREAMS.length}`);
    // Once is enough: the next start finds nothing to end.
    await server.restart();
    const again = await (await fetch(`${server.origin}/metrics`)).text();
    expect(again).toContain('millrace_llm_sealed_total 0');
  }, 120_000);
});

const wholeText = Array.from({ length: 100_000 }, (_, i) => `水車${i} `).join('');

function* endless(): Generator<string> {
  for (let i = 0; ; i++) yield `水車${i} `;
}
