import { type Client, createClient, type Message } from '@millrace/client';
import type { ServerMessage } from '@millrace/protocol';
import { WebSocket } from 'ws';

/** What a user saw go wrong; each is a number that must be 0. */
export interface ReaderProblems {
  /** Messages out of order, or left out, within one subscription. */
  disorder: number;
  /** Messages that came again although their acknowledgement had been confirmed. */
  afterAck: number;
}

/** A user who comes back after having been offline, and reads the inbox until all of it is acknowledged. */
export interface InboxReader {
  readonly problems: ReaderProblems;
  /** Distinct messages that came. */
  readonly received: number;
  /** Messages that came more than once before they were acknowledged. */
  readonly repeats: number;
  close(): void;
}

export interface ReaderOptions {
  readonly url: string;
  readonly token: string;
  readonly topic: string;
  /** Acknowledges after so many messages. */
  readonly ackEvery: number;
  /** How many there are in all: the last is acknowledged at once. */
  readonly messages: number;
}

/** Comes back so long after its connection was lost, in ms. */
const RETRY_MS = 100;

/** A few lines over a plain WebSocket, as any language has them. */
export class RawReader implements InboxReader {
  readonly problems: ReaderProblems = { disorder: 0, afterAck: 0 };
  repeats = 0;
  /** The highest offset whose acknowledgement was confirmed. */
  #acked = 0;
  readonly #options: ReaderOptions;
  readonly #seen: Set<number> = new Set();
  /** Of this connection: the last offset that came; `undefined` before the first. */
  #last: number | undefined;
  #socket: WebSocket | undefined;
  #closed = false;

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.#connect();
  }

  get received(): number {
    return this.#seen.size;
  }

  close(): void {
    this.#closed = true;
    this.#socket?.close();
  }

  #connect(): void {
    if (this.#closed) return;
    const { url, token, topic } = this.#options;
    const socket = new WebSocket(`${url.replace('http', 'ws')}/ws?token=${token}`);
    this.#socket = socket;
    this.#last = undefined;
    const ackedBefore = this.#acked;
    let subscribed = false;
    socket.on('open', () => {
      socket.send(JSON.stringify({ type: 'subscribe', topic, consumer: 'inbox' }));
    });
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as ServerMessage;
      if (message.type === 'subscribed') subscribed = true;
      if (message.type === 'event' && subscribed) this.#take(message, ackedBefore);
      if (message.type === 'ok') this.#confirm((message.result as { acked: number }).acked);
      // Too fast: what was not taken is acknowledged a little later, with all that came meanwhile.
      if (message.type === 'error') setTimeout(() => this.#acknowledge(socket), RETRY_MS);
    });
    socket.on('error', () => {});
    socket.on('close', () => setTimeout(() => this.#connect(), RETRY_MS));
  }

  #take({ offset, attempt }: { offset: number; attempt?: number }, ackedBefore: number): void {
    const { ackEvery, messages } = this.#options;
    if (offset <= ackedBefore) this.problems.afterAck++;
    if (attempt === undefined) {
      if (this.#last !== undefined && offset !== this.#last + 1) this.problems.disorder++;
      this.#last = offset;
    }
    if (this.#seen.has(offset)) this.repeats++;
    this.#seen.add(offset);
    if (this.#socket !== undefined && (offset % ackEvery === 0 || offset === messages))
      this.#acknowledge(this.#socket);
  }

  #acknowledge(socket: WebSocket): void {
    if (socket !== this.#socket || socket.readyState !== WebSocket.OPEN) return;
    const { topic } = this.#options;
    const offset = this.#last;
    socket.send(JSON.stringify({ type: 'ack', id: offset, topic, consumer: 'inbox', offset }));
  }

  #confirm(acked: number): void {
    this.#acked = Math.max(this.#acked, acked);
  }
}

/** The same by the SDK, which must hand over every message exactly once. */
export class SdkReader implements InboxReader {
  readonly problems: ReaderProblems = { disorder: 0, afterAck: 0 };
  received = 0;
  readonly repeats = 0;
  readonly #client: Client;

  constructor({ url, token }: ReaderOptions) {
    this.#client = createClient({ url, token, reconnect: { maxDelayMs: 500 } });
    void this.#client.inbox().handle((message) => this.#take(message));
  }

  close(): void {
    this.#client.close();
  }

  #take({ offset }: Message): void {
    if (offset <= this.received) this.problems.afterAck++;
    else if (offset !== this.received + 1) this.problems.disorder++;
    this.received = Math.max(this.received, offset);
  }
}
