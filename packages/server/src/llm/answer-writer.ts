import { MillraceError, type PublishResult } from '@millrace/protocol';
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
  /** Tokens that no event has yet. */
  #waiting: string[] = [];
  #waitingChars = 0;
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
  }

  /** Tokens that are stored. */
  get stored(): number {
    return this.#stored;
  }

  /** Takes a token: the first one is published at once, later ones with the beat. */
  write(token: string): void {
    if (this.#failure !== undefined || token === '') return;
    for (const piece of pieces(token, this.#options.maxEventChars)) {
      this.#waiting.push(piece);
      this.#waitingChars += piece.length;
    }
    if (this.#underWay !== undefined) return;
    if (this.#hasWritten) this.#options.beat.join(this);
    else this.#options.beat.publishNow(this);
    this.#hasWritten = true;
  }

  /** `undefined` while there is room for more text; otherwise resolves when there is. Rejects when the log takes no more, ever. */
  room(): Promise<void> | undefined {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#waitingChars <= MAX_WAITING_CHARS) return undefined;
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
    this.#underWay ??= this.#waiting.length > 0 ? this.#nextText() : this.#nextEnd();
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
    else if (this.#waiting.length > 0) this.#options.beat.join(this);
    else if (this.#end !== undefined) this.#options.beat.publishNow(this);
    this.#makeRoom();
  }

  broken(error: unknown): void {
    const failure =
      error instanceof MillraceError
        ? error
        : new MillraceError('internal', 'the log failed', { cause: error });
    this.#failure = failure;
    this.#waiting = [];
    this.#waitingChars = 0;
    const wasEnd = this.#underWay?.isEnd === true;
    this.#underWay = undefined;
    this.#onRoom?.reject(failure);
    this.#onRoom = undefined;
    if (wasEnd) this.#onEnded?.reject(failure);
    else if (this.#onEnded !== undefined) this.#options.beat.publishNow(this);
  }

  #makeRoom(): void {
    if (this.#waitingChars > MAX_WAITING_CHARS / 2) return;
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
    const { maxEventChars, streamId } = this.#options;
    let text = '';
    let tokens = 0;
    while (tokens < this.#waiting.length) {
      const token = this.#waiting[tokens] as string;
      if (tokens > 0 && text.length + token.length > maxEventChars) break;
      text += token;
      tokens++;
    }
    this.#waiting = this.#waiting.slice(tokens);
    this.#waitingChars -= text.length;
    const data = { stream_id: streamId, index: this.#stored, tokens, text };
    return { input: this.#input('stream.token', data, String(this.#stored)), tokens, isEnd: false };
  }

  #nextEnd() {
    if (this.#end === undefined) throw new Error('an answer was asked for text that it has not');
    const { event, data } = this.#end;
    return { input: this.#input(event, data(this.#stored), 'end'), tokens: 0, isEnd: true };
  }

  #input(event: string, data: object, step: string): EncodedInput {
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

/** The idempotency key of an answer's event: a server that seals what another left open uses the same for its end. */
export function answerKey(streamId: string, step: string): string {
  return `llm/${streamId}/${step}`;
}

/** A token in pieces of bounded length that cut no character. */
function* pieces(token: string, maxChars: number): Generator<string> {
  for (let at = 0; at < token.length; ) {
    let end = Math.min(token.length, at + maxChars);
    const last = token.charCodeAt(end - 1);
    if (end < token.length && last >= 0xd800 && last < 0xdc00) end--;
    yield token.slice(at, end);
    at = end;
  }
}
