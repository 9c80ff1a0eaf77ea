import type { AnyCatalog, EventOf, SubscribeOptions, SubscriptionEvents } from './types.ts';

/**
 * One delivery of an event that is to be acknowledged. It comes again (with `attempt`) until it is, after a minute,
 * after two and after four, unless the server is configured otherwise; then the server gives it up as a dead letter.
 */
export type Message<Catalog extends object = AnyCatalog> = EventOf<Catalog> & {
  /**
   * Says that it is handled. The server is told as soon as everything before it is handled too: acknowledgements are
   * cumulative. Idempotent.
   */
  ack(): void;
};

export interface ConsumeOptions {
  /** Whose progress through the topic the server keeps. It is the user's own, shared by all devices. */
  readonly consumer: string;
  /** How many messages may wait. Beyond it reading pauses, until half of them have been taken. Default 1,000. */
  readonly maxBufferedMessages?: number | undefined;
  /** What the server does when this client reads slower than messages come. Nothing is ever left out for a consumer. */
  readonly slow?: Extract<SubscribeOptions['slow'], 'catchup' | 'disconnect' | undefined>;
}

export interface InboxOptions extends Omit<ConsumeOptions, 'consumer'> {
  /** Default: the user that the server says this is; over SSE the one that the token names. */
  readonly userId?: string | undefined;
}

export interface ConsumerEvents<Catalog extends object>
  extends Pick<SubscriptionEvents<Catalog>, 'gap' | 'subscribed' | 'lag' | 'sealed' | 'error' | 'closed'> {
  /**
   * The consumer has moved on up to this offset without this client: another device acknowledged, or the server gave
   * messages up. Messages that wait here already are handed over all the same.
   */
  readonly acknowledged: { readonly topic: string; readonly offset: number };
  /** For messages that are acknowledged in their own time: nothing but `message.ack()` does it. */
  readonly message: Message<Catalog>;
  /** The handler threw: the message is not acknowledged and comes again. */
  readonly failed: { readonly message: Message<Catalog>; readonly error: unknown };
}

/**
 * Reads a topic with acknowledgements, which the server keeps, so that every message is handled at least once, also when
 * the client was away, crashed or threw; and by this client at most once, as long as it lives: what comes again and was
 * handled is acknowledged again and not handed over.
 *
 * ```ts
 * for await (const message of client.inbox()) await show(message); // asking for the next acknowledges this one
 * await client.inbox().handle(async (message) => store(message));  // acknowledged unless it throws
 * client.inbox().on('message', (message) => ask(message).then(() => message.ack())); // acknowledged by hand
 * ```
 *
 * Leaving the loop closes the consumer, and does not acknowledge the message that it was left with.
 */
export interface Consumer<Catalog extends object = AnyCatalog> extends AsyncIterable<Message<Catalog>> {
  /** `undefined` for an inbox until it is known whose it is. */
  readonly topic: string | undefined;
  /** The consumer's name. */
  readonly name: string;
  readonly closed: boolean;
  /** Calls `listener` for what happens; returns its own undo. */
  on<Name extends keyof ConsumerEvents<Catalog>>(
    name: Name,
    listener: (value: ConsumerEvents<Catalog>[Name]) => void,
  ): () => void;
  /**
   * Calls `handler` for each message, one after the other, and acknowledges those for which it does not throw; for the
   * others there is `failed`. Resolves when the consumer ends, and rejects where a loop would throw.
   */
  handle(handler: (message: Message<Catalog>) => unknown): Promise<void>;
  /** Acknowledges what was handled, and ends. Idempotent. */
  close(): void;
}
