import type { MillraceError, MillraceEvent } from '@millrace/protocol';
import type { Consumer, ConsumerEvents, Message } from './consumer-types.ts';
import { Emitter } from './emitter.ts';
import type { Reader } from './feed.ts';
import { HandledMessages } from './handled-messages.ts';
import type { Lanes } from './lanes.ts';
import type { Platform, Timer } from './platform.ts';
import { TopicSubscription } from './subscription.ts';
import type { EventOf, Gap, Lag, Subscribed } from './types.ts';
import { DONE } from './waiter.ts';

export interface TopicConsumerOptions {
  readonly name: string;
  readonly maxBufferedMessages: number;
  readonly slow: 'catchup' | 'disconnect' | undefined;
  readonly platform: Platform;
  readonly lanes: Lanes;
  readonly onThrow: (error: unknown) => void;
}

/** Acknowledgements are as far apart at least: one says what all before it said. */
const ACK_EVERY_MS = 50;

const NO_STANDING = { position: undefined, cursor: undefined } as const;

/**
 * Between a feed that reads as a consumer and the subscription that buffers for the application: lets through what has
 * yet to be handled, and acknowledges what was.
 */
export class TopicConsumer<Catalog extends object> implements Consumer<Catalog>, Reader {
  readonly name: string;
  readonly #options: TopicConsumerOptions;
  readonly #emitter: Emitter<ConsumerEvents<Catalog>>;
  readonly #subscription: TopicSubscription<Catalog>;
  #topic: string | undefined;
  #messages = new HandledMessages('');
  /** Of the event that seals the topic. */
  #lastOffset = Infinity;
  #emitting = false;
  #ackTimer: Timer | undefined;
  #ackedAtMs = -Infinity;

  constructor(options: TopicConsumerOptions) {
    this.name = options.name;
    this.#options = options;
    this.#emitter = new Emitter(options.onThrow);
    this.#subscription = new TopicSubscription({
      topic: options.name,
      maxBufferedEvents: options.maxBufferedMessages,
      source: {
        pause: () => this.#pause(),
        unpause: () => options.lanes.unpause(this),
        detach: () => this.#detach(),
      },
      onThrow: options.onThrow,
    });
    for (const name of ['gap', 'subscribed', 'lag', 'error'] as const) {
      this.#subscription.on(name, (value) => this.#emitter.emit(name, value));
    }
    for (const name of ['sealed', 'closed'] as const) {
      this.#subscription.on(name, () => this.#emitter.emit(name, { topic: this.#topic ?? this.name }));
    }
  }

  get topic(): string | undefined {
    return this.#topic;
  }

  get closed(): boolean {
    return this.#subscription.closed;
  }

  /** Begins to read, once it is known what. */
  start(topic: string): void {
    if (this.closed) return;
    this.#topic = topic;
    const { lanes, slow } = this.#options;
    lanes.attach(this, topic, undefined, { consumer: this.name, ...(slow !== undefined && { slow }) });
  }

  on<Name extends keyof ConsumerEvents<Catalog>>(
    name: Name,
    listener: (value: ConsumerEvents<Catalog>[Name]) => void,
  ): () => void {
    const undo = this.#emitter.on(name, listener);
    // What comes waits until somebody wants it.
    if (name === 'message' && !this.#emitting) {
      this.#emitting = true;
      this.#subscription.on('event', (event) => this.#emitter.emit('message', this.#messageOf(event)));
    }
    return undo;
  }

  async handle(handler: (message: Message<Catalog>) => unknown): Promise<void> {
    for await (const event of this.#subscription) {
      const message = this.#messageOf(event);
      try {
        await handler(message);
        message.ack();
      } catch (error) {
        if (this.#knows(event)) this.#messages.failed(event.offset);
        this.#emitter.emit('failed', { message, error });
      }
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<Message<Catalog>, undefined> {
    const events = this.#subscription[Symbol.asyncIterator]();
    let current: Message<Catalog> | undefined;
    return {
      next: async () => {
        current?.ack();
        current = undefined;
        const { done, value } = await events.next();
        if (done === true) return DONE;
        current = this.#messageOf(value);
        return { done: false, value: current };
      },
      return: async () => {
        current = undefined;
        await events.return?.();
        return DONE;
      },
    };
  }

  close(): void {
    this.#subscription.close();
  }

  // Reader: called by the feed.

  event(event: MillraceEvent): void {
    // The topic was deleted and written anew: what was handled of the old one says nothing.
    if (!this.#knows(event)) {
      this.#messages = new HandledMessages(event.epoch);
      this.#lastOffset = Infinity;
    }
    if (event.sealed === true) this.#lastOffset = event.offset;
    if (this.#messages.receive(event.offset)) this.#subscription.event(event);
    else this.#acknowledgeSoon();
  }

  reached(): void {}

  passed(offset: number): void {
    this.#messages.passed(offset);
    if (this.#topic !== undefined) this.#emitter.emit('acknowledged', { topic: this.#topic, offset });
    this.#acknowledgeSoon();
    this.#endWhenDone();
  }

  subscribed(answer: Subscribed): void {
    this.#messages.subscribed();
    this.#subscription.subscribed(answer, NO_STANDING);
  }

  gap(gap: Gap): void {
    this.#subscription.gap(gap);
  }

  lag(lag: Lag): void {
    this.#subscription.lag(lag);
  }

  sealed(): void {
    this.#subscription.sealed();
  }

  failed(error: MillraceError): void {
    this.#subscription.failed(error);
  }

  interrupted(error: MillraceError): void {
    this.#subscription.interrupted(error);
  }

  #messageOf(event: EventOf<Catalog>): Message<Catalog> {
    return { ...event, ack: () => this.#handled(event) };
  }

  #knows({ epoch }: MillraceEvent): boolean {
    return epoch === this.#messages.epoch;
  }

  #handled(event: MillraceEvent): void {
    if (!this.#knows(event)) return;
    this.#messages.handled(event.offset);
    this.#acknowledgeSoon();
    this.#endWhenDone();
  }

  #endWhenDone(): void {
    if (this.#messages.doneUpTo >= this.#lastOffset) this.#subscription.sealed();
  }

  #acknowledgeSoon(): void {
    if (this.#messages.due === undefined || this.#ackTimer !== undefined) return;
    const { platform } = this.#options;
    const waitMs = this.#ackedAtMs + ACK_EVERY_MS - platform.monotonic();
    if (waitMs <= 0) this.#acknowledge();
    else this.#ackTimer = platform.after(waitMs, () => this.#acknowledge());
  }

  #acknowledge(): void {
    this.#ackTimer?.cancel();
    this.#ackTimer = undefined;
    const { due } = this.#messages;
    // Without a subscription it will come again, and be acknowledged then.
    if (due === undefined || !this.#options.lanes.acknowledge(this, due)) return;
    this.#messages.told(due);
    this.#ackedAtMs = this.#options.platform.monotonic();
  }

  #pause(): void {
    this.#acknowledge();
    this.#options.lanes.pause(this);
  }

  #detach(): void {
    this.#acknowledge();
    this.#options.lanes.detach(this);
  }
}
