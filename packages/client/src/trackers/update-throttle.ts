import type { Platform, Timer } from '../platform.ts';

export interface UpdateThrottleOptions {
  readonly platform: Platform;
  /** Between two updates, at least. */
  readonly minIntervalMs: number;
  /** What is hardly news waits so long for more. */
  readonly maxDelayMs: number;
  /** Tells the newest state; resolves when it was stored or refused. */
  readonly send: () => Promise<unknown>;
}

/**
 * When a state that changes fast is told: never more than one update at a time, so that while the server is away the newest
 * state waits and not a queue of old ones. The newest always gets out.
 */
export class UpdateThrottle {
  readonly #options: UpdateThrottleOptions;
  #pending: 'nothing' | 'little' | 'news' = 'nothing';
  #sending = false;
  #sentAtMs = -Infinity;
  #timer: Timer | undefined;
  #closed = false;

  constructor(options: UpdateThrottleOptions) {
    this.#options = options;
  }

  /** There is a newer state; `news` when readers would notice. */
  changed(news: boolean): void {
    if (news || this.#pending === 'nothing') this.#pending = news ? 'news' : 'little';
    this.#plan();
  }

  /** Tells what waits now, whatever was told last. */
  flush(): void {
    if (this.#pending !== 'nothing' && !this.#closed) this.#send();
  }

  /** Nothing is told any more. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #plan(): void {
    this.#timer?.cancel();
    if (this.#closed || this.#sending || this.#pending === 'nothing') return;
    const { platform, minIntervalMs, maxDelayMs } = this.#options;
    const apartMs = this.#pending === 'news' ? minIntervalMs : Math.max(minIntervalMs, maxDelayMs);
    const waitMs = this.#sentAtMs + apartMs - platform.monotonic();
    if (waitMs <= 0) this.#send();
    else this.#timer = platform.after(waitMs, () => this.#send());
  }

  #send(): void {
    const { platform, send } = this.#options;
    this.#timer?.cancel();
    this.#pending = 'nothing';
    this.#sending = true;
    this.#sentAtMs = platform.monotonic();
    void send().then(() => {
      this.#sending = false;
      this.#plan();
    });
  }
}
