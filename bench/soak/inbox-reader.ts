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
  /** For whoever wants to know why it is not done. */
  readonly state: string;
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
/**
 * Acknowledgements are so far apart at least, in ms: each says what all before it said, and whoever sends one for every
 * message of a long replay sends faster than a member may, and is banned for it ([LIM-6]).
 */
const ACK_EVERY_MS = 100;

/** A few lines over a plain WebSocket, as any language has them. */
export class RawReader implements InboxReader {
  readonly problems: ReaderProblems = { disorder: 0, afterAck: 0 };
  repeats = 0;
  #acked = 0;
  readonly #options: ReaderOptions;
  readonly #seen: Set<number> = new Set();
  /** Of this connection: the last offset that came; `undefined` before the first. */
  #last: number | undefined;
  #socket: WebSocket | undefined;
  #closed = false;
  /** One is going to be sent. */
  #ackTimer: NodeJS.Timeout | undefined;
  #ackedAtMs = Number.NEGATIVE_INFINITY;
  /** The last error, or close. */
  #told = 'nothing';

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.#connect();
  }

  get received(): number {
    return this.#seen.size;
  }

  /** The highest offset whose acknowledgement was confirmed. */
  get acked(): number {
    return this.#acked;
  }

  get state(): string {
    const { ackEvery } = this.#options;
    const open = this.#socket?.readyState === WebSocket.OPEN ? 'connected' : 'not connected';
    return `${this.received}, acknowledged ${this.#acked}, every ${ackEvery}, ${open}, last told ${this.#told}`;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#ackTimer);
    this.#socket?.close();
  }

  #connect(): void {
    if (this.#closed) return;
    const { url, token, topic } = this.#options;
    const socket = new WebSocket(`${url.replace('http', 'ws')}/ws?token=${token}`);
    this.#socket = socket;
    this.#last = undefined;
    let subscribed = false;
    socket.on('open', () => {
      socket.send(JSON.stringify({ type: 'subscribe', topic, consumer: 'inbox' }));
    });
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as ServerMessage;
      if (message.type === 'subscribed') subscribed = true;
      if (message.type === 'event' && subscribed) this.#take(message);
      if (message.type === 'ok') this.#confirm((message.result as { acked: number }).acked);
      if (message.type === 'error') {
        this.#told = message.message;
        // Too fast: what was not taken is acknowledged a little later, with all that came meanwhile.
        this.#acknowledgeIn(Number(message.details?.retryAfterMs ?? 0) + RETRY_MS);
      }
    });
    socket.on('error', () => {});
    socket.on('unexpected-response', (request, response) => {
      this.#told = `HTTP ${response.statusCode}`;
      request.destroy();
    });
    socket.on('close', (code, reason) => {
      if (code !== 1006) this.#told = `${code} ${reason.toString()}`;
      setTimeout(() => this.#connect(), RETRY_MS);
    });
  }

  #take({ offset, attempt }: { offset: number; attempt?: number }): void {
    const { ackEvery, messages } = this.#options;
    if (offset <= this.#acked) this.problems.afterAck++;
    if (attempt === undefined) {
      if (this.#last !== undefined && offset !== this.#last + 1) this.problems.disorder++;
      this.#last = offset;
    }
    if (this.#seen.has(offset)) this.repeats++;
    this.#seen.add(offset);
    if (offset % ackEvery === 0 || offset === messages)
      this.#acknowledgeIn(Math.max(0, this.#ackedAtMs + ACK_EVERY_MS - performance.now()));
  }

  #acknowledgeIn(waitMs: number): void {
    this.#ackTimer ??= setTimeout(() => {
      this.#ackTimer = undefined;
      this.#acknowledge();
    }, waitMs);
  }

  #acknowledge(): void {
    const socket = this.#socket;
    const offset = this.#last;
    if (socket?.readyState !== WebSocket.OPEN || offset === undefined) return;
    const { topic } = this.#options;
    this.#ackedAtMs = performance.now();
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
  #told = 'nothing';

  constructor({ url, token }: ReaderOptions) {
    this.#client = createClient({ url, token, reconnect: { maxDelayMs: 500 } });
    for (const name of ['error', 'state'] as const) {
      this.#client.on(name, (value) => {
        this.#told = String(value);
      });
    }
    void this.#client.inbox().handle((message) => this.#take(message));
  }

  get state(): string {
    return `${this.received}, by the SDK, ${this.#client.state}, last told ${this.#told}`;
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
