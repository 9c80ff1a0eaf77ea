import type { Clock } from '../clock.ts';
import { type AnswerTimes, Attempt, type TakeToken } from './attempt.ts';
import type { LlmEnding, LlmMessage, LlmProvider } from './llm-provider.ts';
import { ProviderError } from './provider-error.ts';

export interface PatientAnswerOptions {
  readonly provider: LlmProvider;
  readonly messages: readonly LlmMessage[];
  /** Its reason is thrown when it is aborted. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly times: AnswerTimes;
  /** Attempts after the first. */
  readonly maxRetries: number;
  readonly onRetry: () => void;
  readonly take: TakeToken;
}

const MIN_BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 8000;

/**
 * Takes a provider's answer, with as many attempts as it takes until its first token. After that nothing is repeated: what viewers
 * have read cannot be taken back, and a second answer would be another one. Throws a {@link ProviderError}, or the signal's reason.
 */
export async function patientAnswer(options: PatientAnswerOptions): Promise<LlmEnding> {
  const { clock, signal, times, maxRetries } = options;
  const startMs = clock.monotonic();
  for (let retries = 0; ; retries++) {
    const leftMs = startMs + times.wholeMs - clock.monotonic();
    const attempt = new Attempt(options);
    try {
      return await attempt.read(options.take);
    } catch (error) {
      signal.throwIfAborted();
      const problem = asProviderError(error);
      if (attempt.hasBegun || !problem.retryable || retries >= maxRetries) throw problem;
      const delayMs = problem.retryAfterMs ?? backoffMs(retries, options.random);
      // Who asks to be left alone for longer than there is time has refused.
      if (delayMs >= leftMs) throw problem;
      await pause(clock, delayMs, signal);
      options.onRetry();
    } finally {
      attempt.close();
    }
  }
}

function asProviderError(error: unknown): ProviderError {
  if (error instanceof ProviderError) return error;
  return new ProviderError('failed', 'the provider failed', { cause: error });
}

/** Doubles with each retry; half of it is chance, so that many who were refused at once do not come back at once. */
function backoffMs(retries: number, random: () => number): number {
  const bound = Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** retries);
  return bound / 2 + (random() * bound) / 2;
}

/** Rejects with the signal's reason when it is aborted meanwhile. */
function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      timer.cancel();
      reject(signal.reason);
    };
    const timer = clock.after(delayMs, () => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}
