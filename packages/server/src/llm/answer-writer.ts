import { answerKey, MillraceError, type PublishResult, TokenBuffer } from '@millrace/protocol';
import type { Clock } from '../clock.ts';
import type { EncodedInput } from '../session/publisher.ts';
import type { BeatMember, TokenBeat } from './token-beat.ts';

/** The last event of an answer; what it says may depend on how many tokens were stored. */
export interface AnswerEnd {
  readonly event: 'stream.end' | 'stream.error';
  readonly data: (tokens: number) => object;
}

export interface AnswerWriterOptions {
  readonly streamId: string;
  readonly entity: string;
  readonly topic: string;
  readonly beat: TokenBeat;
  readonly clock: Clock;
  /** Longest text of an event, in UTF-16 code units. */
  readonly maxEventChars: number;
  /** How long the log may refuse to take the text before it is given up. */
  readonly maxStallMs: number;
}

/** Text that may wait for the log; beyond it the provider is not read. */
const MAX_WAITING_CHARS = 256 * 1024;
const MIN_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 2000;

/**
 * Writes one answer into its topic: the tokens of a window as one event, one event under way at a time, each under an idempotency key
 * of its own, so that an outcome that nobody knows is settled by a repeat and the text stays exact.
 */
export class AnswerWriter implements BeatMember {
  readonly entity: string;
  readonly #options: AnswerWriterOptions;
  /** What no event has yet. */
  readonly #waiting: TokenBuffer;
  /** Tokens that are stored. */
  #stored = 0;
  #underWay: { readonly input: EncodedInput; readonly tokens: number; readonly isEnd: boolean } | undefined;
  #end: AnswerEnd | undefined;
  #hasWritten = false;
  #failures = 0;
  #failingSinceMs = 0;
  #failure: MillraceError | undefined;
  #onRoom: { resolve(): void; reject(error: unknown): void } | undefined;
  #onEnded: { resolve(): void; reject(error: unknown): void } | undefined;

  constructor(options: AnswerWriterOptions) {
    this.entity = options.entity;
    this.#options = options;
    this.#waiting = new TokenBuffer(options.maxEventChars);
  }

  /** Takes a token: the first one is published at once, later ones with the beat. */
  write(token: string): void {
    if (this.#failure !== undefined || token === '') return;
    this.#waiting.push(token);
    if (this.#underWay !== undefined) return;
    if (this.#hasWritten) this.#options.beat.join(this);
    else this.#options.beat.publishNow(this);
    this.#hasWritten = true;
  }

  /** `undefined` while there is room for more text; otherwise resolves when there is. Rejects when the log takes no more, ever. */
  room(): Promise<void> | undefined {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#waiting.length <= MAX_WAITING_CHARS) return undefined;
    return new Promise((resolve, reject) => {
      this.#onRoom = { resolve, reject };
    });
  }

  /** Resolves when the text and, after it, this end are stored. Rejects with a `MillraceError` when they never will be. */
  end(end: AnswerEnd): Promise<void> {
    this.#end = end;
    // The text is lost; the end says so, if the log takes it.
    this.#failure = undefined;
    return new Promise((resolve, reject) => {
      this.#onEnded = { resolve, reject };
      if (this.#underWay === undefined) this.#options.beat.publishNow(this);
    });
  }

  take(): EncodedInput {
    this.#underWay ??= this.#waiting.isEmpty ? this.#nextEnd() : this.#nextText();
    return this.#underWay.input;
  }

  settled(outcome: PublishResult | MillraceError): void {
    if (outcome instanceof MillraceError) {
      if (outcome.retryable && !this.#stalled()) this.#repeatLater();
      else this.broken(outcome);
      return;
    }
    const { tokens = 0, isEnd = false } = this.#underWay ?? {};
    this.#underWay = undefined;
    this.#failures = 0;
    this.#stored += tokens;
    if (isEnd) this.#onEnded?.resolve();
    else if (!this.#waiting.isEmpty) this.#options.beat.join(this);
    else if (this.#end !== undefined) this.#options.beat.publishNow(this);
    this.#makeRoom();
  }

  broken(error: unknown): void {
    const failure =
      error instanceof MillraceError
        ? error
        : new MillraceError('internal', 'the log failed', { cause: error });
    this.#failure = failure;
    this.#waiting.clear();
    const wasEnd = this.#underWay?.isEnd === true;
    this.#underWay = undefined;
    this.#onRoom?.reject(failure);
    this.#onRoom = undefined;
    if (wasEnd) this.#onEnded?.reject(failure);
    else if (this.#onEnded !== undefined) this.#options.beat.publishNow(this);
  }

  #makeRoom(): void {
    if (this.#waiting.length > MAX_WAITING_CHARS / 2) return;
    this.#onRoom?.resolve();
    this.#onRoom = undefined;
  }

  /** Whether the log has refused for too long. Only text is given up for that: the end is repeated until it is taken. */
  #stalled(): boolean {
    const nowMs = this.#options.clock.monotonic();
    if (this.#failures === 0) this.#failingSinceMs = nowMs;
    return this.#underWay?.isEnd !== true && nowMs - this.#failingSinceMs >= this.#options.maxStallMs;
  }

  #repeatLater(): void {
    const delayMs = Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** this.#failures++);
    const { clock, beat } = this.#options;
    clock.after(delayMs, () => beat.join(this));
  }

  #nextText() {
    const { text, tokens } = this.#waiting.take();
    const data = { stream_id: this.#options.streamId, index: this.#stored, tokens, text };
    return { input: this.#input('stream.token', data, this.#stored), tokens, isEnd: false };
  }

  #nextEnd() {
    if (this.#end === undefined) throw new Error('an answer was asked for text that it has not');
    const { event, data } = this.#end;
    return { input: this.#input(event, data(this.#stored), 'end'), tokens: 0, isEnd: true };
  }

  #input(event: string, data: object, step: string | number): EncodedInput {
    const { topic, streamId } = this.#options;
    return {
      topic,
      event,
      data: JSON.stringify(data),
      value: data,
      idempotencyKey: answerKey(streamId, step),
    };
  }
}
