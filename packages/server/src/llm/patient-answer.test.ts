import { ManualClock } from '@millrace/testkit';
import { beforeEach, describe, expect, test } from 'vitest';
import type { LlmEnding, LlmProvider } from './llm-provider.ts';
import { patientAnswer } from './patient-answer.ts';
import { ProviderError } from './provider-error.ts';

let clock: ManualClock;
let attempts = 0;
let retries = 0;
let signals: AbortSignal[] = [];
let taken: string[] = [];

beforeEach(() => {
  clock = new ManualClock();
  attempts = 0;
  retries = 0;
  signals = [];
  taken = [];
});

const never = () => new Promise<never>(() => {});
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

type Script = (attempt: number) => AsyncGenerator<string, LlmEnding, void>;

interface Asked {
  readonly signal?: AbortSignal;
  readonly maxRetries?: number;
  readonly take?: (token: string) => Promise<void> | undefined;
}

function answer(script: Script, asked: Asked = {}): Promise<LlmEnding> {
  const {
    signal = new AbortController().signal,
    maxRetries = 3,
    take = (token) => void taken.push(token),
  } = asked;
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
    take,
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
    const ending = answer(async function* (attempt) {
      asked.push(clock.monotonic());
      const retryAfterMs = attempt === 2 ? 5000 : undefined;
      if (attempt < 4) throw new ProviderError('busy', 'later', { retryAfterMs });
      yield 'at last';
      return { finishReason: 'stop' };
    });
    await turn();
    await pass(8000);
    expect(await ending).toEqual({ finishReason: 'stop' });
    expect(taken).toEqual(['at last']);
    expect(asked).toEqual([0, 250, 5250, 6250]);
    expect(retries).toBe(3);
  });

  test.each([
    ['first', 1000, [] as string[]],
    ['next', 500, ['a', 'b']],
  ])(
    '[LLM-3] is given up where the %s token does not come, even by a provider that ignores it',
    async (which, afterMs, come) => {
      const late = answer(
        async function* () {
          yield* come;
          return await never();
        },
        { maxRetries: 0 },
      ).catch((error: unknown) => error);
      await turn();
      expect(taken).toEqual(come);
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
    const room = Promise.withResolvers<void>();
    const ending = answer(
      async function* () {
        yield 'a';
        yield 'b';
        return { finishReason: 'stop' };
      },
      {
        take: (token) => {
          taken.push(token);
          return room.promise;
        },
      },
    );
    await pass(5000);
    expect(taken).toEqual(['a']);
    room.resolve();
    expect(await ending).toEqual({ finishReason: 'stop' });
    expect(taken).toEqual(['a', 'b']);
  });

  test('[LLM-5] rejects with the reason for which it is not wanted any more, at once', async () => {
    const abort = new AbortController();
    const ending = answer(
      async function* () {
        yield 'a';
        return await never();
      },
      { signal: abort.signal },
    );
    await turn();
    expect(taken).toEqual(['a']);
    abort.abort(new Error('enough'));
    await expect(ending).rejects.toThrow('enough');
    expect(signals[0]?.aborted).toBe(true);
    expect(attempts).toBe(1);
  });

  test('[LLM-5] is not waited for either while there is no room for more of it', async () => {
    const abort = new AbortController();
    const ending = answer(
      async function* () {
        yield 'a';
        return { finishReason: 'stop' };
      },
      { signal: abort.signal, take: () => never() },
    );
    await turn();
    abort.abort(new Error('enough'));
    await expect(ending).rejects.toThrow('enough');
  });

  test('is not asked for again when whoever takes it has failed', async () => {
    const failing = answer(
      async function* () {
        yield 'a';
        return { finishReason: 'stop' };
      },
      { take: async () => Promise.reject(new ProviderError('storage', 'the log did not take the answer')) },
    );
    await expect(failing).rejects.toMatchObject({ code: 'storage' });
    expect(attempts).toBe(1);
  });

  test('a provider that throws anything else has failed, and says nothing of it', async () => {
    const ending = answer(
      async function* () {
        throw new TypeError('secret inside');
        // biome-ignore lint/correctness/noUnreachable: it makes a generator
        yield '';
      },
      { maxRetries: 0 },
    );
    await expect(ending).rejects.toMatchObject({ code: 'failed', message: 'the provider failed' });
  });

  test('lets go of a provider when the answer is read to its end, without aborting it', async () => {
    await answer(async function* () {
      yield 'a';
      return { finishReason: 'stop' };
    });
    expect(signals[0]?.aborted).toBe(false);
  });
});
