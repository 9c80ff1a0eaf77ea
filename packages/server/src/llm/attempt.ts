import type { Clock, Timer } from '../clock.ts';
import type { LlmEnding, LlmMessage, LlmProvider } from './llm-provider.ts';
import { ProviderError } from './provider-error.ts';

/** How long a provider may take, in ms. */
export interface AnswerTimes {
  /** From the request to the first token, of each attempt. */
  readonly firstTokenMs: number;
  /** From one token to the next. */
  readonly betweenTokensMs: number;
  /** For all of it, with every attempt. */
  readonly wholeMs: number;
}

/** Takes a token; answers with what is to be waited for before the next one, if anything. */
export type TakeToken = (token: string) => Promise<void> | undefined;

/**
 * One request to a provider, kept to its times: whatever the provider does, even if it ignores its signal, `read` settles when the
 * answer is given up. One timer watches both silences, and one promise the end, so that a token costs neither.
 */
export class Attempt {
  readonly #abort = new AbortController();
  readonly #tokens: AsyncGenerator<string, LlmEnding, void>;
  readonly #clock: Clock;
  readonly #times: Pick<AnswerTimes, 'firstTokenMs' | 'betweenTokensMs'>;
  readonly #stopFollowing: () => void;
  readonly #givenUp = Promise.withResolvers<never>();
  #timer: Timer | undefined;
  /** Since when the next token is awaited; `undefined` while nobody asks for it. */
  #awaitedMs: number | undefined;
  #hasBegun = false;
  #isOver = false;

  constructor(options: {
    readonly provider: LlmProvider;
    readonly messages: readonly LlmMessage[];
    /** Of the whole answer. */
    readonly signal: AbortSignal;
    readonly clock: Clock;
    readonly times: AnswerTimes;
  }) {
    const { provider, messages, signal, clock, times } = options;
    this.#clock = clock;
    this.#times = times;
    // Given up before or after anybody reads, it is nobody's rejection.
    this.#givenUp.promise.catch(() => {});
    const onAbort = (): void => this.#end(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    this.#stopFollowing = () => signal.removeEventListener('abort', onAbort);
    this.#tokens = provider.stream({ messages, signal: this.#abort.signal });
    this.#watch(times.firstTokenMs);
    if (signal.aborted) onAbort();
  }

  /** Whether a token has come. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** Hands out every token. Rejects with why the answer was given up, or with what the provider or `take` threw. */
  async read(take: TakeToken): Promise<LlmEnding> {
    return await Promise.race([this.#readAll(take), this.#givenUp.promise]);
  }

  /** Lets go of the request, if it still runs. Idempotent. */
  close(): void {
    this.#stopFollowing();
    this.#timer?.cancel();
    if (this.#isOver) return;
    this.#isOver = true;
    this.#end(new ProviderError('interrupted', 'the answer is not wanted any more'));
    // It may be waiting for what never comes; whatever it says now is of no interest.
    this.#tokens.return({ finishReason: 'closed' }).catch(() => {});
  }

  async #readAll(take: TakeToken): Promise<LlmEnding> {
    const { signal } = this.#abort;
    for (;;) {
      signal.throwIfAborted();
      this.#awaitedMs = this.#clock.monotonic();
      const next = await this.#tokens.next();
      // A provider may take its signal for the end.
      signal.throwIfAborted();
      this.#awaitedMs = undefined;
      if (next.done === true) {
        this.#isOver = true;
        return next.value;
      }
      this.#hasBegun = true;
      const room = take(next.value);
      if (room !== undefined) await room;
    }
  }

  #end(reason: unknown): void {
    if (this.#abort.signal.aborted) return;
    this.#abort.abort(reason);
    this.#givenUp.reject(reason);
  }

  #watch(delayMs: number): void {
    // A silence may begin to count while another one is being waited for.
    this.#timer = this.#clock.after(Math.min(delayMs, this.#times.betweenTokensMs), () => {
      const limitMs = this.#hasBegun ? this.#times.betweenTokensMs : this.#times.firstTokenMs;
      const nowMs = this.#clock.monotonic();
      const leftMs = (this.#awaitedMs ?? nowMs) + limitMs - nowMs;
      if (leftMs > 0) return this.#watch(leftMs);
      const awaited = this.#hasBegun ? 'next' : 'first';
      this.#end(new ProviderError('timeout', `the ${awaited} token did not come within ${limitMs} ms`));
    });
  }
}
