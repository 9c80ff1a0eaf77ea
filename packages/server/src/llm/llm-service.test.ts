import { until } from '@millrace/testkit';
import { afterEach, describe, expect, test } from 'vitest';
import { LlmWorld, textOf, words } from './fixtures/llm-world.ts';

let world: LlmWorld;

afterEach(() => world.close());

describe('an answer', () => {
  test('[LLM-1] is published in its conversation after what was asked, and all of it follows the position', async () => {
    world = await LlmWorld.start({ tokens: ['Hel', 'lo'] });
    const begun = await world.ask({ prompt: 'Hi', conversation_id: 'a.b', session_id: 'tab-1' });
    expect(begun.topic).toBe('chat.a_2eb');
    const events = await world.read(begun);
    expect(textOf(events)).toBe('Hello');
    const [question, start] = await world.history(begun.topic);
    expect(question).toMatchObject({
      event: 'chat.message',
      data: { role: 'user', text: 'Hi', user_id: 'tester' },
    });
    expect(start).toMatchObject({
      event: 'stream.start',
      data: {
        stream_id: begun.stream_id,
        conversation_id: 'a.b',
        provider: 'local',
        model: 'tiny',
        user_id: 'tester',
        session_id: 'tab-1',
      },
    });
    expect(`${start?.epoch}:${start?.offset}`).toBe(begun.position);
    expect(events.at(-1)).toMatchObject({
      event: 'stream.end',
      data: { tokens: 2, finish_reason: 'stop', usage: { prompt_tokens: 7, completion_tokens: 2 } },
    });
    expect((await world.chat(begun.topic)).messages.map(({ text }) => text)).toEqual(['Hi', 'Hello']);
  });

  test.each([1, 5, 4096])(
    '[LLM-2] is exactly the provider’s, whose packets of %i bytes cut lines and characters',
    async (packetBytes) => {
      const tokens = words(200);
      world = await LlmWorld.start({ tokens, packetBytes });
      const events = await world.read(await world.ask({ prompt: 'Hi' }));
      expect(textOf(events)).toBe(tokens.join(''));
      let next = 0;
      for (const { event, data } of events.filter(({ event }) => event === 'stream.token')) {
        expect([event, data.index]).toEqual(['stream.token', next]);
        next += data.tokens as number;
      }
      expect(next).toBe(tokens.length);
    },
  );

  test('[LLM-2] tokens of a window are one event, the first goes out alone', async () => {
    world = await LlmWorld.start({ tokens: words(100), intervalMs: 2 });
    const events = await world.read(await world.ask({ prompt: 'Hi' }));
    const counts = events.flatMap(({ data }) => (typeof data.text === 'string' ? [data.tokens] : []));
    expect(counts[0]).toBe(1);
    expect(counts.length).toBeLessThan(30);
  });

  test('[LLM-2] a token longer than an event may be is cut between characters', async () => {
    const long = '👩‍👩‍👧水'.repeat(5000);
    world = await LlmWorld.start({ tokens: ['a', long, 'z'] });
    expect(textOf(await world.read(await world.ask({ prompt: 'Hi' })))).toBe(`a${long}z`);
  });

  test('[LLM-1] of two questions at once, both are given in one conversation', async () => {
    world = await LlmWorld.start(({ body }) => ({
      tokens: [...`answer to ${body.messages.at(-1)?.content}`],
      intervalMs: 1,
    }));
    const asked = ['one', 'two'].map((prompt) => world.ask({ prompt, conversation_id: 'c' }));
    const texts = (await Promise.all(asked)).map(async (begun) => textOf(await world.read(begun)));
    expect(await Promise.all(texts)).toEqual(['answer to one', 'answer to two']);
  });
});

describe('what goes along', () => {
  const OK = { tokens: ['ok'] };
  const lastBody = () => world.provider.requests.at(-1)?.body.messages;

  test('[LLM-7] with a prompt: what was said in the conversation, and the system’s prompt', async () => {
    world = await LlmWorld.start(OK, { systemPrompt: 'Be brief.' });
    await world.read(await world.ask({ prompt: 'One?', conversation_id: 'c' }));
    await world.read(await world.ask({ prompt: 'Two?', conversation_id: 'c' }));
    expect(lastBody()).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'One?' },
      { role: 'assistant', content: 'ok' },
      { role: 'user', content: 'Two?' },
    ]);
  });

  test('[LLM-7] no more of it than the bounds let', async () => {
    world = await LlmWorld.start(OK, { historyMessages: 1 });
    for (const prompt of ['One?', 'Two?'])
      await world.read(await world.ask({ prompt, conversation_id: 'c' }));
    expect(lastBody()).toEqual([
      { role: 'assistant', content: 'ok' },
      { role: 'user', content: 'Two?' },
    ]);
  });

  test('[LLM-7] nothing for those who may not read it', async () => {
    world = await LlmWorld.start(OK);
    await world.read(await world.ask({ prompt: 'A secret.', conversation_id: 'c' }));
    const topics = { subscribe: [], publish: ['chat.*'] };
    const blind = await world.as({ sub: 'blind', roles: ['member'], topics });
    await world.read(await world.ask({ prompt: 'What was said?', conversation_id: 'c' }, blind));
    expect(lastBody()).toEqual([{ role: 'user', content: 'What was said?' }]);
  });

  test('[AUTH-7] [LLM-7] nothing of a conversation of that name in another entity', async () => {
    world = await LlmWorld.start(OK);
    await world.read(await world.ask({ prompt: 'A secret.', conversation_id: 'c' }));
    const theirs = await world.as({ entity: 'theirs', sub: 'ann' });
    await world.ask({ prompt: 'What was said?', conversation_id: 'c' }, theirs);
    await until(() => world.provider.requests.length === 2, 'the provider to be asked');
    expect(lastBody()).toEqual([{ role: 'user', content: 'What was said?' }]);
  });

  test('[LLM-1] with messages: these alone, of which a user’s last one is published once', async () => {
    world = await LlmWorld.start(OK);
    const messages = [
      { role: 'user', content: 'One?' },
      { role: 'assistant', content: '1' },
      { role: 'user', content: 'Two?', id: 'm-2' },
    ];
    const first = await world.ask({ messages, conversation_id: 'c' });
    await world.read(first);
    await world.read(await world.ask({ messages, conversation_id: 'c' }));
    expect(lastBody()).toEqual(messages.map(({ role, content }) => ({ role, content })));
    const { messages: said } = await world.chat(first.topic);
    expect(said.map(({ text }) => text)).toEqual(['Two?', 'ok', 'ok']);
  });
});

describe('a request', () => {
  test.each([
    [{}, 'exactly one'],
    [{ prompt: 'x', messages: [{ role: 'user', content: 'x' }] }, 'exactly one'],
    [{ prompt: '' }, '/prompt'],
    [{ messages: [] }, '/messages'],
    [{ messages: [{ role: 'tool', content: 'x' }] }, '/messages/0/role'],
    [{ prompt: 'x', conversation_id: 'ü'.repeat(100) }, '/conversation_id'],
    [{ prompt: 'x', ai_provider: 'nobody' }, 'must be one of local'],
  ])('%j is refused', async (body, problem) => {
    world = await LlmWorld.start({ tokens: ['x'] });
    const answer = await world.api.post('/api/v1/llm/stream', body);
    expect([answer.status, answer.body.code]).toEqual([400, 'bad-message']);
    expect(answer.body.detail).toContain(problem);
    expect(world.provider.requests).toEqual([]);
  });

  test('that is too large is refused before the provider is asked', async () => {
    world = await LlmWorld.start({ tokens: ['x'] });
    for (const length of [70_000, 1_000_001]) {
      const answer = await world.api.post('/api/v1/llm/stream', { prompt: 'x'.repeat(length) });
      expect([answer.status, answer.body.code]).toEqual([413, 'too-large']);
    }
    expect(world.provider.requests).toEqual([]);
    expect(await world.metric('millrace_llm_streams_open')).toBe(0);
  });

  test('without a provider is not supported', async () => {
    world = await LlmWorld.start({ tokens: ['x'] }, { providers: {} });
    const answer = await world.api.post('/api/v1/llm/stream', { prompt: 'x' });
    expect([answer.status, answer.body.code]).toEqual([501, 'not-supported']);
  });

  test.each([
    ['observer', {}, 403],
    ['agent', {}, 403],
    ['member', {}, 202],
    ['member', { user_id: 'somebody-else' }, 403],
    ['publisher', { user_id: 'somebody-else' }, 202],
  ] as const)('[LLM-1] as %s with %j is answered with %i', async (role, more, status) => {
    world = await LlmWorld.start({ tokens: ['x'] });
    const api = await world.as({ sub: 'ann', roles: [role] });
    expect((await api.post('/api/v1/llm/stream', { prompt: 'x', ...more })).status).toBe(status);
  });

  test('[LLM-6] beyond the bounds of a user or of the node is turned away, and goes through when an answer has ended', async () => {
    world = await LlmWorld.start({ tokens: ['x'], ending: 'hang' }, { maxStreams: 3, maxStreamsPerUser: 2 });
    const [ann, bob] = [await world.as({ sub: 'ann' }), await world.as({ sub: 'bob' })];
    const first = await world.ask({ prompt: 'x' }, ann);
    await world.ask({ prompt: 'x' }, ann);
    const third = await ann.post('/api/v1/llm/stream', { prompt: 'x' });
    expect(third).toMatchObject({
      status: 503,
      body: { code: 'overloaded', retryable: true, details: { limit: 'llm.maxStreamsPerUser', max: 2 } },
    });
    expect(third.headers.get('retry-after')).not.toBeNull();
    await world.ask({ prompt: 'x' }, bob);
    expect((await bob.post('/api/v1/llm/stream', { prompt: 'x' })).body).toMatchObject({
      code: 'overloaded',
      details: { limit: 'llm.maxStreams', max: 3 },
    });
    await world.cancel(first.stream_id);
    await world.read(first);
    await until(
      async () => (await bob.post('/api/v1/llm/stream', { prompt: 'x' })).status === 202,
      'room for another answer',
    );
    expect(await world.metric('millrace_llm_refused_total')).toBeGreaterThanOrEqual(2);
  });
});
