import OpenAI, { APIError } from 'openai';
import { afterEach, describe, expect, test } from 'vitest';
import { type FakeAnswer, type FakeProvider, startFakeProvider } from './fake-provider.ts';

let provider: FakeProvider | undefined;

afterEach(() => provider?.close());

async function ask(
  answer: FakeAnswer,
  apiKey = 'sk-1',
): Promise<{ text: string; usage: number | undefined }> {
  provider = await startFakeProvider(answer, { apiKey: 'sk-1' });
  const client = new OpenAI({ baseURL: provider.url, apiKey, maxRetries: 0 });
  const stream = await client.chat.completions.create({
    model: 'tiny',
    messages: [{ role: 'user', content: 'Hi' }],
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = '';
  let usage: number | undefined;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? '';
    usage = chunk.usage?.completion_tokens ?? usage;
  }
  return { text, usage };
}

describe('the official client', () => {
  test('reads an answer and its usage', async () => {
    expect(await ask({ tokens: ['Hel', 'lo'] })).toEqual({ text: 'Hello', usage: 2 });
    expect(provider?.requests[0]?.body).toMatchObject({ model: 'tiny', messages: [{ content: 'Hi' }] });
    expect(await provider?.requests[0]?.ended).toMatchObject({ complete: true });
  });

  test.for([1, 3, 7])('reads characters that packets of %i bytes cut', async (packetBytes) => {
    const tokens = ['Grüße ', '👩‍👩‍👧 ', '世界'];
    expect((await ask({ tokens, packetBytes })).text).toBe(tokens.join(''));
  });

  test.for([429, 500, 503])('is refused with %i before the first token', async (status) => {
    await expect(ask({ status, retryAfter: '2' })).rejects.toMatchObject({ status });
  });

  test('is refused for a wrong key', async () => {
    await expect(ask({ tokens: ['x'] }, 'sk-2')).rejects.toMatchObject({ status: 401 });
  });

  test.for([
    ['an error object', { tokens: ['a'], ending: 'error' }, APIError],
    ['a connection that is cut', { tokens: ['a'], ending: 'cut' }, Error],
    ['a connection without an answer', { hangUp: true }, Error],
  ] as const)('throws at %s', async ([, answer, kind]) => {
    await expect(ask(answer)).rejects.toThrow(kind);
  });

  test('that goes away ends a stream that would never end', async () => {
    provider = await startFakeProvider({ tokens: endless() });
    const abort = new AbortController();
    const client = new OpenAI({ baseURL: provider.url, apiKey: 'any', maxRetries: 0 });
    const messages = [{ role: 'user', content: 'Hi' }] as const;
    const stream = await client.chat.completions.create(
      { model: 'tiny', messages: [...messages], stream: true },
      { signal: abort.signal },
    );
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content !== '') abort.abort();
    expect(await provider.requests[0]?.ended).toMatchObject({ complete: false });
  });
});

function* endless(): Generator<string> {
  for (;;) yield 'on and on ';
}
