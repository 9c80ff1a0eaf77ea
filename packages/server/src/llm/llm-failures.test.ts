import { MillraceError } from '@millrace/protocol';
import { type FakeAnswer, until } from '@millrace/testkit';
import { pino } from 'pino';
import { afterEach, describe, expect, test } from 'vitest';
import { LlmWorld, PROVIDER_KEY, textOf, words } from './fixtures/llm-world.ts';

let world: LlmWorld;

afterEach(() => world.close());

const BUSY: FakeAnswer = { status: 429, retryAfter: '0' };

describe('before the first token', () => {
  test.each([
    ['429', BUSY],
    ['500', { status: 500, retryAfter: '0' }],
    ['503', { status: 503, retryAfter: new Date().toUTCString() }],
    ['a connection without an answer', { hangUp: true }],
    ['an error object', { tokens: [], ending: 'error' }],
    ['a connection that is cut', { tokens: [], ending: 'cut' }],
  ] as const)('[LLM-3] %s is tried again', async (_, failure) => {
    world = await LlmWorld.start(({ index }) => (index < 2 ? failure : { tokens: ['at last'] }));
    const events = await world.read(await world.ask({ prompt: 'x' }));
    expect([textOf(events), events.at(-1)?.event]).toEqual(['at last', 'stream.end']);
    expect(world.provider.requests.length).toBe(3);
    expect(await world.metric('millrace_llm_retries_total')).toBe(2);
  });

  test.each([
    ['busy', BUSY, 4],
    ['refused', { status: 400, message: 'no such model' }, 1],
    ['refused', { status: 404 }, 1],
    ['busy', { status: 429, retryAfter: '86400' }, 1],
  ] as const)('[LLM-3] is %s after %j, tried %i times in all', async (code, failure, attempts) => {
    world = await LlmWorld.start(failure);
    const events = await world.read(await world.ask({ prompt: 'x' }));
    expect(events).toEqual([
      {
        event: 'stream.error',
        data: expect.objectContaining({ code, tokens: 0, retryable: code === 'busy' }),
      },
    ]);
    expect(world.provider.requests.length).toBe(attempts);
    expect(await world.metric(`millrace_llm_errors_total{kind="${code}"}`)).toBe(1);
  });

  test('[LLM-3] [AUTH-15] a key that the provider does not accept is told to nobody, the reason to the operator', async () => {
    const lines: string[] = [];
    const logger = pino({ level: 'trace' }, { write: (line: string) => lines.push(line) });
    const message = `Incorrect API key provided: ${PROVIDER_KEY}`;
    world = await LlmWorld.start({ status: 401, message }, {}, { logger });
    const begun = await world.ask({ prompt: 'x' });
    const [error] = await world.read(begun);
    expect(error?.data).toMatchObject({ code: 'refused', message: expect.stringContaining('key (401)') });
    const warning = lines.find((line) => line.includes('an answer failed'));
    expect(warning).toContain('Incorrect API key provided: …');
    expect(JSON.stringify([lines, await world.history(begun.topic)])).not.toContain(PROVIDER_KEY);
  });

  test('[LLM-3] a provider that keeps silent is given up and asked again', async () => {
    world = await LlmWorld.start(
      ({ index }) => (index === 0 ? { tokens: [], ending: 'hang' } : { tokens: ['second'] }),
      { firstTokenTimeout: '100ms' },
    );
    expect(textOf(await world.read(await world.ask({ prompt: 'x' })))).toBe('second');
    await world.released(0);
  });
});

describe('after the first token', () => {
  test.each([
    ['failed', { tokens: words(9), ending: 'error' }],
    ['truncated', { tokens: words(9), ending: 'cut', intervalMs: 5 }],
    ['truncated', { tokens: words(9), ending: 'truncated' }],
    ['timeout', { tokens: words(9), ending: 'hang' }],
  ] as const)('[LLM-3] it has %s, and is not tried again: %j', async (code, failure) => {
    world = await LlmWorld.start(failure, { tokenTimeout: '200ms' });
    const events = await world.read(await world.ask({ prompt: 'x' }));
    expect(textOf(events)).toBe(words(9).join(''));
    expect(events.at(-1)).toMatchObject({
      event: 'stream.error',
      data: { code, retryable: true, tokens: 9 },
    });
    expect(world.provider.requests.length).toBe(1);
    await world.released();
  });

  test('[LLM-3] an answer without the last marker is whole', async () => {
    world = await LlmWorld.start({ tokens: ['a'], ending: 'no-done-marker' });
    expect((await world.read(await world.ask({ prompt: 'x' }))).at(-1)).toMatchObject({
      event: 'stream.end',
      data: { finish_reason: 'stop' },
    });
  });

  test('[LLM-3] an answer that takes too long altogether ends', async () => {
    world = await LlmWorld.start({ tokens: endless(), intervalMs: 10 }, { timeout: '300ms' });
    const events = await world.read(await world.ask({ prompt: 'x' }));
    expect(events.at(-1)).toMatchObject({ event: 'stream.error', data: { code: 'timeout' } });
    expect(textOf(events)).toContain('on and on');
    await world.released();
  });
});

describe('stopping', () => {
  const slow = (): FakeAnswer => ({ tokens: endless(), intervalMs: 10 });

  test('[LLM-5] ends the provider’s request within 200 ms', async () => {
    world = await LlmWorld.start(slow);
    const delays = [];
    for (let i = 0; i < 5; i++) {
      const begun = await world.ask({ prompt: 'x' });
      const client = await world.watch(begun);
      await client.take('event', 2);
      client.close();
      const askedAt = performance.now();
      await world.cancel(begun.stream_id);
      delays.push((await world.released(i)) - askedAt);
    }
    // The median: the machine may be busy with something else.
    expect(delays.sort((a, b) => a - b)[2]).toBeLessThan(200);
  });

  test('[LLM-5] ends the answer with what has come of it', async () => {
    world = await LlmWorld.start(slow);
    const begun = await world.ask({ prompt: 'x' });
    const client = await world.watch(begun);
    await client.take('event', 3);
    const { status, body } = await world.cancel(begun.stream_id, { reason: 'enough' });
    expect([status, body]).toEqual([202, { stream_id: begun.stream_id, topic: begun.topic }]);
    const events = await world.read(begun);
    expect(events.at(-1)).toMatchObject({ event: 'stream.end', data: { finish_reason: 'cancelled' } });
    const tokens = events.reduce(
      (sum, { event, data }) => sum + (event === 'stream.token' ? Number(data.tokens) : 0),
      0,
    );
    expect(events.at(-1)?.data.tokens).toBe(tokens);
    expect(await world.metric('millrace_llm_streams_ended_total{outcome="cancelled"}')).toBe(1);
    expect((await world.cancel(begun.stream_id)).body.code).toBe('not-found');
  });

  test('[LLM-5] is heard on the control topic, too, where another node was asked', async () => {
    world = await LlmWorld.start(slow);
    const begun = await world.ask({ prompt: 'x' });
    await world.server.server.publish(`control.${begun.stream_id}`, 'control.cancel', {
      id: begun.stream_id,
    });
    expect((await world.read(begun)).at(-1)?.data).toMatchObject({ finish_reason: 'cancelled' });
  });

  test('[LLM-5] works before the first token, and while another attempt is waited for', async () => {
    world = await LlmWorld.start({ status: 503, retryAfter: '30' });
    const begun = await world.ask({ prompt: 'x' });
    await until(() => world.provider.requests.length === 1, 'the provider to be asked');
    await world.cancel(begun.stream_id);
    expect(await world.read(begun)).toMatchObject([
      { event: 'stream.end', data: { finish_reason: 'cancelled', tokens: 0 } },
    ]);
  });

  test.each([
    ['observer', {}, 403],
    ['member', {}, 202],
    ['member', { topics: { subscribe: [], publish: [] } }, 403],
    ['member', { topics: { subscribe: ['chat.c'], publish: [] } }, 202],
    ['agent', {}, 202],
    ['member', { entity: 'other' }, 404],
    ['admin', { entity: 'other' }, 404],
  ] as const)('[LLM-5] as %s %j is answered with %i', async (role, token, status) => {
    world = await LlmWorld.start(slow);
    const begun = await world.ask({ prompt: 'x', conversation_id: 'c' });
    const api = await world.as({ sub: 'ann', roles: [role], ...token });
    const answer = await world.cancel(begun.stream_id, { conversation_id: 'c' }, api);
    expect(answer.status).toBe(status);
    if (status === 202) return;
    expect(await world.metric('millrace_llm_streams_open')).toBe(1);
  });

  test('[LLM-5] what another application answers is stopped by its control topic, in the conversation that has it', async () => {
    world = await LlmWorld.start(slow);
    await world.server.server.publish('chat.c', 'stream.start', { stream_id: 's-1' });
    const client = await world.server.connect();
    client.send({ type: 'subscribe', topic: 'control.s-1' });
    await client.next('subscribed');
    expect((await world.cancel('s-1')).status).toBe(404);
    expect((await world.cancel('s-1', { conversation_id: 'other' })).status).toBe(404);
    expect((await world.cancel('s-1', { conversation_id: 'c', reason: 'enough' })).status).toBe(202);
    expect(await client.next('event')).toMatchObject({
      event: 'control.cancel',
      data: { id: 's-1', topic: 'chat.c', reason: 'enough', user_id: 'tester' },
    });
    await world.server.server.publish('chat.c', 'stream.end', {
      stream_id: 's-1',
      tokens: 0,
      duration_ms: 1,
      tokens_per_second: 0,
    });
    expect((await world.cancel('s-1', { conversation_id: 'c' })).status).toBe(404);
  });
});

describe('the log', () => {
  test('[LLM-3] where the topic is closed in the midst of an answer, the provider is let go', async () => {
    world = await LlmWorld.start({ tokens: endless(), intervalMs: 10 });
    const begun = await world.ask({ prompt: 'x' });
    const client = await world.watch(begun);
    await client.next('event');
    await world.server.server.publish(begun.topic, 'chat.message', { text: 'The end.' }, { seal: true });
    await world.released();
    await until(async () => (await world.metric('millrace_llm_streams_open')) === 0, 'the answer to be over');
    expect(await world.metric('millrace_llm_errors_total{kind="storage"}')).toBe(1);
  });

  test('a conversation that is closed takes no question', async () => {
    world = await LlmWorld.start({ tokens: ['x'] });
    await world.server.server.publish('chat.c', 'chat.message', { text: 'The end.' }, { seal: true });
    await expect(world.ask({ prompt: 'x', conversation_id: 'c' })).rejects.toThrow('sealed');
    expect(world.provider.requests).toEqual([]);
  });

  test('[LLM-4] a server that closes ends its answers', async () => {
    world = await LlmWorld.start({ tokens: endless(), intervalMs: 10 });
    const begun = await world.ask({ prompt: 'x' });
    const client = await world.watch(begun);
    await client.take('event', 2);
    await world.server.server.close();
    await world.released();
    await expect(world.server.server.publish('chat.c', 'x', 1)).rejects.toThrow(MillraceError);
  });
});

function* endless(): Generator<string> {
  for (;;) yield 'on and on ';
}
