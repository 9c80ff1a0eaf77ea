import type { Client, Consumer, Message } from '@millrace/client';
import type { Committed } from './history.ts';

/** What the application makes of an event. */
export interface Handling {
  /** Calls back when it has been handled, some time later. */
  readonly take: (done: () => void) => void;
  /** Whether it throws, at this device, the so manieth time. */
  readonly throws: (message: Message, times: number) => boolean;
}

/** An application on one device that handles what a consumer is sent, and throws now and then. */
export class SimulatedConsumer {
  readonly topic: string;
  readonly name: string;
  readonly consumer: Consumer;
  readonly problems: string[] = [];
  /** `epoch:offset` → how often it was handed over. */
  readonly #handed = new Map<string, number>();
  readonly #handled = new Set<string>();
  readonly #handling: Handling;
  #last: { readonly epoch: string; readonly offset: number } | undefined;

  constructor(options: { client: Client; topic: string; name: string; handling: Handling }) {
    const { client, topic, name, handling } = options;
    this.topic = topic;
    this.name = name;
    this.#handling = handling;
    this.consumer = client.consume(topic, { consumer: name, maxBufferedMessages: 5 });
    void this.consumer
      .handle((message) => this.#handle(message))
      .catch((error: unknown) => this.problems.push(`${name} of ${topic} ended with ${String(error)}`));
  }

  get closed(): boolean {
    return this.consumer.closed;
  }

  hasHandled({ epoch, offset }: Committed): boolean {
    return this.#handled.has(`${epoch}:${offset}`);
  }

  async #handle(message: Message): Promise<void> {
    const { epoch, offset } = message;
    const place = `${epoch}:${offset}`;
    const times = (this.#handed.get(place) ?? 0) + 1;
    this.#handed.set(place, times);
    const what = `${this.name} of ${this.topic}: ${place}`;
    if (this.#handled.has(place)) this.problems.push(`${what} was handled, and is handed over again`);
    if (times === 1) this.#judgeOrder(what, message);
    await new Promise<void>((resolve) => this.#handling.take(resolve));
    if (this.#handling.throws(message, times)) throw new Error('the application cannot');
    this.#handled.add(place);
  }

  /** What comes for the first time comes in order. */
  #judgeOrder(what: string, { epoch, offset }: Message): void {
    const last = this.#last;
    if (last?.epoch === epoch && offset <= last.offset)
      this.problems.push(`${what} came after ${last.offset}`);
    this.#last = { epoch, offset };
  }
}
