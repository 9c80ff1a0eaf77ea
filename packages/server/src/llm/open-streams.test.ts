import { ApiClient, TestServer } from '@millrace/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock, systemTurns } from '../clock.ts';
import type { AppendRequest, Engine } from '../engine/engine.ts';
import { createEventIds } from '../engine/event-id.ts';
import { createMemoryEngine } from '../engine/memory-engine.ts';
import { OPEN_STREAMS_TOPIC } from './open-streams.ts';

/*
 * What a server finds in the log that another process has left in the midst of things.
 */

let engine: Engine;
let server: TestServer | undefined;

beforeEach(() => {
  engine = createMemoryEngine({
    clock: systemClock,
    turns: systemTurns,
    newId: createEventIds(),
    retention: () => ({}),
    onError: (error) => {
      throw error;
    },
  });
});

afterEach(async () => {
  await server?.close();
  await engine.close();
});

const record = (event: 'opened' | 'closed', stream_id: string): AppendRequest => ({
  entity: '$system',
  topic: OPEN_STREAMS_TOPIC,
  event,
  data: JSON.stringify({ v: 1, entity: 'default', topic: 'chat.c', stream_id }),
});

const said = (event: string, stream_id: string, more: object = {}, key?: string): AppendRequest => ({
  entity: 'default',
  topic: 'chat.c',
  event,
  data: JSON.stringify({ stream_id, ...more }),
  idempotencyKey: key,
});

/** What the conversation has got when a server has started on the log. */
async function startedWith(...appends: AppendRequest[]): Promise<object[]> {
  await engine.append(appends);
  server = await TestServer.start({ engine });
  const { body } = await new ApiClient(server.origin, await server.token()).get<{
    events: { event: string; data: object }[];
  }>('/api/v1/topics/chat.c/events');
  return (body.events ?? []).map(({ event, data }) => ({ event, ...data }));
}

const token = (stream_id: string, index: number) =>
  said('stream.token', stream_id, { index, tokens: 3, text: 'abc' });

describe('an answer that was left open', () => {
  test('[LLM-4] ends with what has come of it', async () => {
    const events = await startedWith(
      record('opened', 's-1'),
      said('stream.start', 's-1'),
      token('s-1', 0),
      token('s-1', 3),
    );
    expect(events.at(-1)).toMatchObject({
      event: 'stream.error',
      stream_id: 's-1',
      code: 'interrupted',
      retryable: true,
      tokens: 6,
    });
  });

  test('[LLM-4] whose end was stored just before keeps it', async () => {
    const end = { tokens: 3, duration_ms: 1, tokens_per_second: 1, finish_reason: 'stop' };
    const events = await startedWith(
      record('opened', 's-1'),
      said('stream.start', 's-1'),
      token('s-1', 0),
      said('stream.end', 's-1', end, 'llm/s-1/end'),
    );
    expect(events).toHaveLength(3);
    expect(events.at(-1)).toMatchObject({ event: 'stream.end' });
  });

  test('[LLM-4] is told from others that have ended, and whose topic is gone', async () => {
    const events = await startedWith(
      record('opened', 's-1'),
      record('opened', 's-2'),
      record('closed', 's-1'),
      {
        ...record('opened', 's-3'),
        data: JSON.stringify({ v: 1, entity: 'other', topic: 'chat.x', stream_id: 's-3' }),
      },
      said('stream.start', 's-1'),
      said('stream.start', 's-2'),
    );
    expect(events.slice(2)).toMatchObject([{ event: 'stream.error', stream_id: 's-2', tokens: 0 }]);
    expect(await engine.topics('other', '*')).toEqual([]);
  });

  // A conversation whose state was too large to be read kept its readers waiting for ever.
  test('[LLM-4] ends also where nobody can say how far it came', async () => {
    const text = '\u0001'.repeat(256 * 1024);
    await startedWith(
      record('opened', 's-1'),
      said('stream.start', 's-1'),
      ...['a', 'b', 'c', 'd'].map((message_id) => said('chat.message', 's-1', { message_id, text })),
    );
    const page = await engine.read('default', 'chat.c', { last: 1 }, { maxEvents: 1 });
    const [end] = page.ok ? page.events : [];
    expect(end).toMatchObject({ event: 'stream.error' });
    expect(JSON.parse(end?.data ?? '')).toMatchObject({ code: 'interrupted', retryable: true });
  });

  test('[LLM-4] is forgotten once it has its end', async () => {
    await startedWith(record('opened', 's-1'), said('stream.start', 's-1'));
    const page = await engine.read('$system', OPEN_STREAMS_TOPIC, { earliest: true }, { maxEvents: 10 });
    expect(page).toMatchObject({ ok: true, events: [] });
  });
});
