import type { Chat, ChatAnswer } from '@millrace/catalog/views';
import { chatTopicOf, MillraceError, type MillraceEvent } from '@millrace/protocol';
import type { AnyCatalog, Client, Subscription } from '../types.ts';
import { AnswerError, type ReadAnswerOptions } from './answer-types.ts';

/**
 * One answer, as somebody reads it: the loop is given the text so far at once, then the rest as it comes, and ends when the answer
 * does. It throws an {@link AnswerError} where the answer fails, after what came of it.
 */
export interface AnswerReader extends AsyncIterable<string> {
  /** Everything that the loop was given. */
  readonly text: string;
  /** Characters at the beginning that the server does not keep, of an answer longer than a view may be. */
  readonly cut: number;
  /** `undefined` until the answer has ended; `cancelled` when it was stopped. */
  readonly finishReason: string | undefined;
  /** Ends the reading; the answer goes on. Idempotent. */
  close(): void;
}

/**
 * Reads one answer of a conversation, be it under way, over, or about to begin; across lost connections and restarts of the server.
 *
 * ```ts
 * for await (const text of readAnswer(client, conversationId, streamId)) process.stdout.write(text);
 * ```
 */
export function readAnswer<Catalog extends object>(
  client: Client<Catalog>,
  conversationId: string,
  streamId: string,
  options: ReadAnswerOptions = {},
): AnswerReader {
  // Whatever catalog the application has, the events of answers are ours.
  const anyClient = client as unknown as Client<AnyCatalog>;
  const subscription = anyClient.topic(chatTopicOf(conversationId), { since: 'snapshot', slow: 'catchup' });
  return new AnswerReading(subscription, streamId, options.signal);
}

type Outcome = { readonly finishReason: string } | { readonly error: unknown };

class AnswerReading implements AnswerReader {
  readonly #streamId: string;
  readonly #subscription: Subscription<AnyCatalog>;
  readonly #stopListening: () => void;
  #text = '';
  #cut = 0;
  /** Came, and was not given to the loop yet. */
  #next = '';
  /** How many tokens have come. */
  #tokens = 0;
  #outcome: Outcome | undefined;
  #wake: (() => void) | undefined;

  constructor(subscription: Subscription<AnyCatalog>, streamId: string, signal: AbortSignal | undefined) {
    this.#subscription = subscription;
    this.#streamId = streamId;
    const onAbort = (): void => this.#finish({ error: signal?.reason });
    this.#stopListening = () => signal?.removeEventListener('abort', onAbort);
    subscription.on('snapshot', ({ state }) => this.#stand(state as Chat));
    subscription.on('event', (event) => this.#take(event));
    subscription.on('error', (error) => this.#finish({ error }));
    subscription.on('closed', ({ topic }) => this.#finish({ error: endless(topic) }));
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
  }

  get text(): string {
    return this.#text;
  }

  get cut(): number {
    return this.#cut;
  }

  get finishReason(): string | undefined {
    const outcome = this.#outcome;
    return outcome !== undefined && 'finishReason' in outcome ? outcome.finishReason : undefined;
  }

  close(): void {
    this.#finish({ error: new MillraceError('client-request', 'the reader of the answer was closed') });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, void> {
    try {
      for (;;) {
        const text = this.#next;
        this.#next = '';
        this.#text += text;
        if (text !== '') yield text;
        else if (this.#outcome === undefined) await this.#more();
        else break;
      }
      if ('error' in this.#outcome) throw this.#outcome.error;
    } finally {
      this.close();
    }
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** What was missed is in a new snapshot. */
  #stand({ messages }: Chat): void {
    const message = messages.findLast(({ answer }) => answer?.stream_id === this.#streamId);
    if (message?.answer === undefined) return;
    const { text, cut = 0, answer } = message;
    const come = this.#cut + this.#text.length + this.#next.length;
    if (come < cut) this.#cut += cut - come;
    this.#add(text.slice(Math.max(0, come - cut)));
    this.#tokens = answer.tokens;
    this.#endAs(answer);
  }

  #endAs({ state, finish_reason, error }: ChatAnswer): void {
    if (state === 'failed' && error !== undefined) this.#finish({ error: new AnswerError(error) });
    else if (state !== 'streaming') this.#finish({ finishReason: finish_reason ?? state });
  }

  #take({ event, data }: MillraceEvent): void {
    const fields = data as Readonly<Record<string, unknown>> | null;
    if (typeof fields !== 'object' || fields?.stream_id !== this.#streamId) return;
    switch (event) {
      case 'stream.token':
        this.#takeTokens(Number(fields.index ?? this.#tokens), fields);
        break;
      case 'stream.end':
        this.#finish({ finishReason: String(fields.finish_reason ?? 'stop') });
        break;
      case 'stream.error':
        this.#finish({ error: errorOf(fields) });
        break;
    }
  }

  #takeTokens(index: number, { text, tokens }: Readonly<Record<string, unknown>>): void {
    if (index < this.#tokens) return;
    this.#tokens = index + Number(tokens ?? 1);
    if (typeof text === 'string') this.#add(text);
  }

  #add(text: string): void {
    this.#next += text;
    this.#notify();
  }

  #finish(outcome: Outcome): void {
    if (this.#outcome !== undefined) return;
    this.#outcome = outcome;
    this.#stopListening();
    this.#subscription.close();
    this.#notify();
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}

function errorOf({ code, message, retryable }: Readonly<Record<string, unknown>>): AnswerError {
  return new AnswerError({
    code: String(code ?? 'failed'),
    message: String(message ?? ''),
    retryable: retryable === true,
  });
}

/** The topic was sealed, or the client closed, and the answer has no end. */
function endless(topic: string): MillraceError {
  return new MillraceError('unavailable', `${topic}: reading ended before the answer did`);
}
