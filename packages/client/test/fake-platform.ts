import type { Platform, Socket, SocketHandlers, Timer } from '../src/platform.ts';

/** What the far end of a fake socket does. */
export interface FakePeer {
  message(text: string): void;
  closed(): void;
}

/** One end-to-end WebSocket in memory. What either side sends arrives when the platform is flushed. */
export class FakeSocket implements Socket {
  readonly url: string;
  readonly protocols: readonly string[];
  peer: FakePeer | undefined;
  /** While held, nothing reaches the other side, as on a network that swallows packets. */
  held = false;
  /** Messages for the client that get lost. */
  loses: (message: object) => boolean = () => false;
  readonly sent: string[] = [];
  readonly #handlers: SocketHandlers;
  #toPeer: (() => void)[] = [];
  #toClient: (() => void)[] = [];
  #done = false;

  constructor(url: string, protocols: readonly string[], handlers: SocketHandlers) {
    this.url = url;
    this.protocols = protocols;
    this.#handlers = handlers;
  }

  send(text: string): void {
    this.sent.push(text);
    this.#toPeer.push(() => this.peer?.message(text));
  }

  close(close: number, reason: string): void {
    this.#toPeer.push(() => this.peer?.closed());
    this.#toClient.push(() => this.#finish(close, reason));
  }

  /** What the client has sent, decoded. */
  get messages(): Record<string, unknown>[] {
    return this.sent.map((text) => JSON.parse(text) as Record<string, unknown>);
  }

  // The server's side.

  accept(peer: FakePeer): void {
    this.peer = peer;
    this.#toClient.push(() => this.#handlers.opened());
  }

  push(message: object): void {
    if (!this.loses(message)) this.pushText(JSON.stringify(message));
  }

  pushText(text: string): void {
    this.#toClient.push(() => this.#handlers.message(text));
  }

  pushClose(close: number, reason = ''): void {
    this.#toClient.push(() => this.#finish(close, reason));
  }

  /** Breaks at once; what was on its way is lost. */
  cut(): void {
    this.#toPeer = [];
    this.#toClient = [];
    this.peer?.closed();
    this.#finish(1006, '');
  }

  #finish(close: number, reason: string): void {
    if (this.#done) return;
    this.#done = true;
    this.#handlers.closed(close, reason);
  }

  /** Delivers up to `limit` of what was sent, to the server first; false when there was nothing. */
  flushOnce(limit = Infinity): boolean {
    if (this.held) return false;
    const tasks = [...this.#toPeer.splice(0, limit), ...this.#toClient.splice(0, limit)];
    for (const task of tasks) if (!this.#done) task();
    return tasks.length > 0;
  }
}

interface FakeTimer {
  readonly atMs: number;
  readonly order: number;
  readonly task: () => void;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A clock that stands still until `advance`, sockets that deliver on `flush`, numbers that repeat. */
export class FakePlatform implements Platform {
  readonly sockets: FakeSocket[] = [];
  /** Plays the server when a socket is opened. Default: it never answers. */
  onSocket: (socket: FakeSocket) => void = () => {};
  onFetch: (url: string, init: RequestInit) => Promise<Response> = () => Promise.reject(new Error('no HTTP'));
  /** What `random` gives. */
  chance = 0.5;
  #timers: FakeTimer[] = [];
  readonly #wakeListeners = new Set<() => void>();
  #monotonicMs = 1000;
  #wallMs = Date.parse('2026-01-01T00:00:00.000Z');
  #ids = 0;

  now(): number {
    return this.#wallMs;
  }

  monotonic(): number {
    return this.#monotonicMs;
  }

  random(): number {
    return this.chance;
  }

  uniqueId(): string {
    return `id-${++this.#ids}`;
  }

  after(delayMs: number, task: () => void): Timer {
    const timer = { atMs: this.#monotonicMs + delayMs, order: ++this.#ids, task };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  openSocket(url: string, protocols: readonly string[], handlers: SocketHandlers): FakeSocket {
    const socket = new FakeSocket(url, protocols, handlers);
    this.sockets.push(socket);
    this.onSocket(socket);
    return socket;
  }

  fetch(url: string, init: RequestInit): Promise<Response> {
    return this.onFetch(url, init);
  }

  onWake(listener: () => void): () => void {
    this.#wakeListeners.add(listener);
    return () => this.#wakeListeners.delete(listener);
  }

  get pendingTimers(): number {
    return this.#timers.length;
  }

  get wakeListeners(): number {
    return this.#wakeListeners.size;
  }

  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) throw new Error('no socket was opened yet');
    return socket;
  }

  wake(): void {
    for (const listener of this.#wakeListeners) listener();
  }

  /** The machine sleeps: the wall clock goes on, timers and the monotonic clock do not. */
  sleep(durationMs: number): void {
    this.#wallMs += durationMs;
  }

  /** Delivers everything, and what that causes, until nothing moves. */
  async flush(): Promise<void> {
    do {
      await turn();
    } while (this.sockets.map((socket) => socket.flushOnce()).includes(true));
  }

  /** Delivers a few messages in each direction of each socket. */
  async deliver(limit: number): Promise<void> {
    for (const socket of [...this.sockets]) socket.flushOnce(limit);
    await turn();
  }

  /** Lets time pass, timer by timer, everything delivered in between. */
  async advance(durationMs: number): Promise<void> {
    const endMs = this.#monotonicMs + durationMs;
    await this.flush();
    for (;;) {
      const [next] = this.#timers
        .filter(({ atMs }) => atMs <= endMs)
        .sort((a, b) => a.atMs - b.atMs || a.order - b.order);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#moveTo(Math.max(next.atMs, this.#monotonicMs));
      next.task();
      await this.flush();
    }
    this.#moveTo(endMs);
  }

  #moveTo(atMs: number): void {
    this.#wallMs += atMs - this.#monotonicMs;
    this.#monotonicMs = atMs;
  }
}
