import { answerKey, MillraceError, TokenBuffer } from '@millrace/protocol';
import type { Platform } from '../platform.ts';
import type { AnyCatalog, Client } from '../types.ts';

export interface TokenPublisherOptions {
  readonly client: Pick<Client<AnyCatalog>, 'publish'>;
  readonly platform: Platform;
  readonly topic: string;
  readonly streamId: string;
  readonly windowMs: number;
}

/** Text of one event, in UTF-16 code units: whatever JSON makes of it, a message may be so long. */
const MAX_EVENT_LENGTH = 8000;
/** Text that may wait, through an outage as well; beyond it no more tokens are taken. */
const MAX_WAITING_LENGTH = 256 * 1024;
const MIN_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 2000;

/**
 * Publishes an answer's events, one at a time: what comes while one is under way, be that for a whole restart of the server, becomes
 * the next one. So the log has them in order, whatever is refused and repeated.
 */
export class TokenPublisher {
  readonly #options: TokenPublisherOptions;
  readonly #waiting = new TokenBuffer(MAX_EVENT_LENGTH);
  /** The event under way, and all before it. */
  #published: Promise<void> = Promise.resolve();
  #pumping = false;
  #nextMs = Number.NEGATIVE_INFINITY;
  #tokens = 0;
  #failure: unknown;
  #onRoom: (() => void) | undefined;

  constructor(options: TokenPublisherOptions) {
    this.#options = options;
  }

  /** Tokens that are stored. */
  get tokens(): number {
    return this.#tokens;
  }

  /** Publishes the first event; it throws nothing, for whatever follows does. */
  start(data: object): void {
    this.#follow(() => this.#publish('stream.start', data, 'start'));
  }

  /** Takes a token. Throws once the answer cannot be published. */
  write(token: string): void {
    this.#assertWorks();
    this.#waiting.push(token);
    this.#pump();
  }

  /** `undefined` while there is room for more text; otherwise resolves when there is. Rejects once the answer cannot be published. */
  room(): Promise<void> | undefined {
    if (this.#waiting.length <= MAX_WAITING_LENGTH) return undefined;
    return new Promise<void>((resolve) => {
      this.#onRoom = resolve;
    }).then(() => this.#assertWorks());
  }

  /** Publishes the last event after all text. Resolves when it is stored. */
  async end(event: 'stream.end' | 'stream.error', data: (tokens: number) => object): Promise<void> {
    while (!this.#waiting.isEmpty) {
      await this.#published;
      this.#assertWorks();
      if (!this.#waiting.isEmpty) this.#follow(() => this.#publishText());
    }
    this.#follow(() => this.#publish(event, data(this.#tokens), 'end'));
    await this.#published;
    this.#assertWorks();
  }

  /** Publishes what waits, an event a window, until nothing does. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    this.#follow(async () => {
      await this.#windowPassed();
      await this.#publishText();
      this.#pumping = false;
      if (!this.#waiting.isEmpty) this.#pump();
    });
  }

  #follow(step: () => Promise<void>): void {
    this.#published = this.#published.then(async () => {
      if (this.#failure !== undefined) return;
      try {
        await step();
      } catch (error) {
        this.#failure = error;
        this.#waiting.clear();
      }
      this.#makeRoom();
    });
  }

  async #publishText(): Promise<void> {
    if (this.#waiting.isEmpty) return;
    const { streamId, platform, windowMs } = this.#options;
    this.#nextMs = platform.monotonic() + windowMs;
    const { text, tokens } = this.#waiting.take();
    const data = { stream_id: streamId, index: this.#tokens, tokens, text };
    await this.#publish('stream.token', data, this.#tokens);
    this.#tokens += tokens;
  }

  /** The client repeats what is refused for now; only where its own queue is full, nothing was tried. */
  async #publish(event: string, data: object, step: string | number): Promise<void> {
    const { client, topic, streamId } = this.#options;
    const idempotencyKey = answerKey(streamId, step);
    for (let refusals = 0; ; refusals++) {
      try {
        await client.publish(topic, event, data, { idempotencyKey });
        return;
      } catch (error) {
        if (!(error instanceof MillraceError) || error.code !== 'overloaded') throw error;
        await this.#after(Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** refusals));
      }
    }
  }

  async #windowPassed(): Promise<void> {
    const leftMs = this.#nextMs - this.#options.platform.monotonic();
    if (leftMs > 0) await this.#after(leftMs);
  }

  #after(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.platform.after(delayMs, resolve);
    });
  }

  #makeRoom(): void {
    if (this.#waiting.length > MAX_WAITING_LENGTH / 2) return;
    this.#onRoom?.();
    this.#onRoom = undefined;
  }

  #assertWorks(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
