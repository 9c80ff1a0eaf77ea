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

/**
 * One request to a provider, kept to its times: whatever the provider does, even if it ignores its signal, `next` settles when the
 * answer is given up. One timer watches both silences, so that a token costs no timer.
 */
export class Attempt {
  readonly #abort = new AbortController();
  readonly #tokens: AsyncGenerator<string, LlmEnding, void>;
  readonly #clock: Clock;
  readonly #times: Pick<AnswerTimes, 'firstTokenMs' | 'betweenTokensMs'>;
  readonly #stopFollowing: () => void;
  #timer: Timer | undefined;
  /** Since when the next token is awaited; `undefined` while nobody asks for it. */
  #awaitedMs: number | undefined;
  #hasBegun = false;
  #isOver = false;
  /** Gives up the `next` that is being waited for. */
  #giveUp: ((reason: unknown) => void) | undefined;

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

  async next(): Promise<IteratorResult<string, LlmEnding>> {
    const { signal } = this.#abort;
    if (signal.aborted) throw signal.reason;
    this.#awaitedMs = this.#clock.monotonic();
    const next = await new Promise<IteratorResult<string, LlmEnding>>((resolve, reject) => {
      this.#giveUp = reject;
      this.#tokens.next().then(resolve, reject);
    });
    // A provider may take its signal for the end.
    if (signal.aborted) throw signal.reason;
    this.#awaitedMs = undefined;
    if (next.done === true) this.#isOver = true;
    else this.#hasBegun = true;
    return next;
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

  #end(reason: unknown): void {
    if (this.#abort.signal.aborted) return;
    this.#abort.abort(reason);
    this.#giveUp?.(reason);
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
