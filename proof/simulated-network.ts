import type { Socket, SocketHandlers } from '@millrace/client';
import type { Session } from '../packages/server/src/session/session.ts';
import type { SessionSocket } from '../packages/server/src/session/session-socket.ts';
import { FrameReader } from './frame-reader.ts';
import type { Random } from './random.ts';
import type { SimulatedServer } from './simulated-server.ts';
import type { VirtualTime } from './virtual-time.ts';

/** How long one piece may be under way, in ms. */
const MAX_LATENCY_MS = 12;
/** Largest piece that arrives at once. */
const MAX_PIECE_BYTES = 700;

/** What travels from server to client: bytes, or the end after them. */
type Downstream = Buffer | 'ping' | { readonly close: number; readonly reason: string };

/** Carries bytes between clients and one server, and decides by its seed how late, in which pieces, and for how long. */
export class SimulatedNetwork {
  readonly connections = new Set<SimulatedConnection>();
  readonly time: VirtualTime;
  readonly random: Random;
  readonly server: SimulatedServer;

  constructor(options: { time: VirtualTime; random: Random; server: SimulatedServer }) {
    this.time = options.time;
    this.random = options.random;
    this.server = options.server;
  }

  connect(handlers: SocketHandlers): Socket {
    const connection = new SimulatedConnection(this, handlers);
    this.connections.add(connection);
    return connection;
  }

  /** Every connection breaks, as when the server's process ends. */
  cutAll(): void {
    for (const connection of [...this.connections]) connection.cut();
  }

  latencyMs(): number {
    return this.random.next() * MAX_LATENCY_MS;
  }
}

/**
 * One WebSocket in memory. Both ends believe what they are told: the connection may be cut at both, or only one end may
 * notice; bytes arrive late, in pieces, or not at all once it is cut.
 */
export class SimulatedConnection implements Socket {
  readonly #network: SimulatedNetwork;
  readonly #handlers: SocketHandlers;
  readonly #reader: FrameReader;
  readonly #end: ServerEnd;
  #session: Session | undefined;
  #clientOpen = true;
  #serverOpen = false;
  /** While stalled nothing arrives, in either direction. */
  #stalled = false;
  /** Nothing arrives any more, and nobody was told. */
  #severed = false;
  readonly #up: string[] = [];
  readonly #down: Downstream[] = [];
  #upDue = false;
  #downDue = false;

  constructor(network: SimulatedNetwork, handlers: SocketHandlers) {
    this.#network = network;
    this.#handlers = handlers;
    this.#reader = new FrameReader((text) => {
      if (this.#clientOpen) handlers.message(text);
    });
    this.#end = new ServerEnd((item) => this.#send(item));
    network.time.after(network.latencyMs(), () => this.#dial());
  }

  get alive(): boolean {
    return this.#clientOpen || this.#serverOpen;
  }

  // The client's end.

  send(text: string): void {
    if (!this.#clientOpen) return;
    this.#up.push(text);
    this.#scheduleUp();
  }

  close(close: number, reason: string): void {
    if (!this.#clientOpen) return;
    this.#clientOpen = false;
    // The server hears of it, unless the way there is broken.
    const { time } = this.#network;
    if (!this.#severed) time.after(this.#network.latencyMs(), () => this.#endServer(1000));
    time.after(0, () => this.#handlers.closed(close, reason));
  }

  // Faults.

  /** Breaks; what is under way is lost. Each end notices by itself. */
  cut(): void {
    this.#severed = true;
    const { time } = this.#network;
    time.after(this.#network.latencyMs(), () => this.#endClient(1006));
    time.after(this.#network.latencyMs(), () => this.#endServer(1006));
  }

  /** Breaks so that nobody notices before they ask. */
  sever(): void {
    this.#severed = true;
  }

  stall(): void {
    this.#stalled = true;
  }

  resume(): void {
    this.#stalled = false;
    this.#scheduleUp();
    this.#scheduleDown();
  }

  #dial(): void {
    const { server } = this.#network;
    if (!this.#clientOpen || this.#severed || !server.up) {
      this.#endClient(1006);
      this.#forget();
      return;
    }
    this.#serverOpen = true;
    this.#session = server.accept(this.#end);
    this.#handlers.opened();
  }

  #send(item: Downstream): void {
    if (!this.#serverOpen) return;
    this.#down.push(item);
    this.#scheduleDown();
    if (typeof item === 'object' && 'close' in item) this.#serverOpen = false;
  }

  #scheduleUp(): void {
    if (this.#upDue || this.#stalled || this.#up.length === 0) return;
    this.#upDue = true;
    this.#network.time.after(this.#network.latencyMs(), () => {
      this.#upDue = false;
      if (this.#stalled || this.#severed) return;
      // Some of what was sent comes along in the same segment.
      const count = 1 + this.#network.random.below(3);
      for (const text of this.#up.splice(0, count)) {
        if (this.#serverOpen) this.#session?.receive(Buffer.from(text), false);
      }
      this.#scheduleUp();
    });
  }

  #scheduleDown(): void {
    if (this.#downDue || this.#stalled || this.#down.length === 0) return;
    this.#downDue = true;
    this.#network.time.after(this.#network.latencyMs(), () => {
      this.#downDue = false;
      if (this.#stalled || this.#severed) return;
      this.#deliver(1 + this.#network.random.below(MAX_PIECE_BYTES));
      this.#scheduleDown();
    });
  }

  /** Brings up to `bytes` to the client, and word of it back to the server. */
  #deliver(bytes: number): void {
    let left = bytes;
    let read = 0;
    while (left > 0) {
      const item = this.#down.shift();
      if (item === undefined) break;
      if (item === 'ping') {
        this.#answer(0);
      } else if (!Buffer.isBuffer(item)) {
        this.#endClient(item.close, item.reason);
        this.#forget();
        return;
      } else {
        const piece = item.subarray(0, left);
        if (piece.length < item.length) this.#down.unshift(item.subarray(piece.length));
        left -= piece.length;
        read += piece.length;
        this.#reader.push(piece);
      }
    }
    if (read > 0) this.#answer(read);
  }

  #answer(bytes: number): void {
    this.#network.time.after(this.#network.latencyMs(), () => {
      if (this.#severed || !this.#serverOpen) return;
      this.#end.answered(bytes);
      this.#session?.heard();
      this.#session?.relieved();
    });
  }

  #endClient(close: number, reason = ''): void {
    if (!this.#clientOpen) return;
    this.#clientOpen = false;
    this.#handlers.closed(close, reason);
    this.#forget();
  }

  #endServer(code: number): void {
    if (!this.#serverOpen) return;
    this.#serverOpen = false;
    this.#session?.socketClosed(code);
    this.#forget();
  }

  #forget(): void {
    if (!this.alive) this.#network.connections.delete(this);
  }
}

/** What the session writes to. */
class ServerEnd implements SessionSocket {
  readonly remoteAddress = '192.0.2.1';
  bytesInFlight = 0;
  readonly #send: (item: Downstream) => void;

  constructor(send: (item: Downstream) => void) {
    this.#send = send;
  }

  write(frames: Buffer): void {
    this.bytesInFlight += frames.length;
    this.#send(frames);
  }

  answered(bytes: number): void {
    this.bytesInFlight -= bytes;
  }

  ping(): void {
    this.#send('ping');
  }

  /** Only doors whose clients cannot acknowledge ask. */
  confirm(): void {}

  // Nobody here sends so much, or so slowly, that it would matter.
  pauseReading(): void {}

  resumeReading(): void {}

  readonly unfinishedBytes = undefined;

  close(close: number, reason: string): void {
    this.#send({ close, reason });
  }

  drop(close: number, reason: string): void {
    this.#send({ close, reason });
  }

  destroy(): void {
    this.#send({ close: 1006, reason: '' });
  }
}
