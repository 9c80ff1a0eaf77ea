import { ManualClock } from '@millrace/testkit';
import { beforeEach, describe, expect, test } from 'vitest';
import type { LlmEnding, LlmProvider } from './llm-provider.ts';
import { patientAnswer } from './patient-answer.ts';
import { ProviderError } from './provider-error.ts';

let clock: ManualClock;
let attempts = 0;
let retries = 0;
let signals: AbortSignal[] = [];

beforeEach(() => {
  clock = new ManualClock();
  attempts = 0;
  retries = 0;
  signals = [];
});

const never = () => new Promise<never>(() => {});
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

type Script = (attempt: number) => AsyncGenerator<string, LlmEnding, void>;

function answer(script: Script, signal = new AbortController().signal, maxRetries = 3) {
  const provider: LlmProvider = {
    model: 'tiny',
    stream: (request) => {
      signals.push(request.signal);
      return script(++attempts);
    },
  };
  return patientAnswer({
    provider,
    messages: [{ role: 'user', content: 'Hi' }],
    signal,
    clock,
    random: () => 1,
    times: { firstTokenMs: 1000, betweenTokensMs: 500, wholeMs: 60_000 },
    maxRetries,
    onRetry: () => {
      retries++;
    },
  });
}

async function pass(ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 50) {
    clock.advance(50);
    await turn();
  }
}

describe('an answer that is waited for', () => {
  test('[LLM-3] backs off longer each time, and as long as the provider says', async () => {
    const asked: number[] = [];
    const tokens = answer(async function* (attempt) {
      asked.push(clock.monotonic());
      const retryAfterMs = attempt === 2 ? 5000 : undefined;
      if (attempt < 4) throw new ProviderError('busy', 'later', { retryAfterMs });
      yield 'at last';
      return { finishReason: 'stop' };
    });
    const first = tokens.next();
    await turn();
    await pass(8000);
    expect((await first).value).toBe('at last');
    expect(asked).toEqual([0, 250, 5250, 6250]);
    expect(retries).toBe(3);
    expect(await tokens.next()).toEqual({ done: true, value: { finishReason: 'stop' } });
  });

  test.each([
    ['first', 1000, [] as string[]],
    ['next', 500, ['a', 'b']],
  ])(
    '[LLM-3] is given up where the %s token does not come, even by a provider that ignores it',
    async (which, afterMs, come) => {
      const tokens = answer(
        async function* () {
          yield* come;
          return await never();
        },
        undefined,
        0,
      );
      for (const token of come) expect((await tokens.next()).value).toBe(token);
      const late = tokens.next().catch((error: unknown) => error);
      await turn();
      await pass(afterMs - 50);
      expect(signals[0]?.aborted).toBe(false);
      await pass(600);
      expect(await late).toMatchObject({
        code: 'timeout',
        message: expect.stringContaining(`the ${which} token`),
      });
      expect(signals[0]?.aborted).toBe(true);
    },
  );

  test('[LLM-3] is not given up while nobody asks for its next token', async () => {
    const tokens = answer(async function* () {
      yield 'a';
      yield 'b';
      return { finishReason: 'stop' };
    });
    await tokens.next();
    await pass(5000);
    expect((await tokens.next()).value).toBe('b');
  });

  test('[LLM-5] rejects with the reason for which it is not wanted any more, at once', async () => {
    const abort = new AbortController();
    const tokens = answer(async function* () {
      yield 'a';
      return await never();
    }, abort.signal);
    await tokens.next();
    const next = tokens.next();
    abort.abort(new Error('enough'));
    await expect(next).rejects.toThrow('enough');
    expect(signals[0]?.aborted).toBe(true);
    expect(attempts).toBe(1);
  });

  test('a provider that throws anything else has failed, and says nothing of it', async () => {
    const tokens = answer(
      async function* () {
        throw new TypeError('secret inside');
        // biome-ignore lint/correctness/noUnreachable: it makes a generator
        yield '';
      },
      undefined,
      0,
    );
    await expect(tokens.next()).rejects.toMatchObject({ code: 'failed', message: 'the provider failed' });
  });

  test('lets go of a provider when the answer is read to its end, without aborting it', async () => {
    const tokens = answer(async function* () {
      yield 'a';
      return { finishReason: 'stop' };
    });
    for await (const _ of tokens);
    expect(signals[0]?.aborted).toBe(false);
  });
});
