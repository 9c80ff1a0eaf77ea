import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { Session } from '../session/session.ts';
import type { SessionSocket } from '../session/session-socket.ts';
import { numberedPingFrame, pongFrame } from './frames.ts';
import type { MessageInflater } from './message-inflater.ts';
import type { Traffic } from './traffic.ts';

/** Measures what is on its way: after so many bytes a ping is sent, whose pong says that all before it was read. */
const PING_EVERY_BYTES = 256 * 1024;

/** A TCP or TLS socket with the method under `Writable.write`, which hands bytes to the kernel. */
interface DirectSocket extends Omit<Socket, '_write'> {
  _write(bytes: Buffer, encoding: 'buffer', done: (error?: Error | null) => void): void;
}

/** What `ws` knows of the frame that it is reading; the exact version of `ws` is pinned, and a test holds it to this. */
interface FrameReader {
  /** Where it is in a frame; 0 between frames, over 4 when the frame has been read and is worked on. */
  readonly _state: number;
  /** Bytes of the next frame, which are not enough to go on. */
  readonly _bufferedBytes: number;
  /** The opcode of the message whose fragments are coming; 0 between messages. */
  readonly _fragmented: number;
  /** Bytes of its fragments so far; none of those that are yet to be inflated. */
  readonly _messageLength: number;
}
const LAST_READING_STATE = 4;

/** A `ws` connection that knows its session, so that its listeners are shared by all. */
export class SessionWebSocket extends WebSocket {
  session: Session | undefined = undefined;
  owner: WebSocketSocket | undefined = undefined;
  #inflater: MessageInflater | undefined = undefined;

  /** Compressed frames are taken from now on. */
  inflateBy(inflater: MessageInflater): void {
    this.#inflater = inflater;
    // Where `ws` looks for the extension; it has no public way to bring one's own.
    const { _extensions } = this as unknown as { _extensions: Record<string, MessageInflater> };
    _extensions['permessage-deflate'] = inflater;
  }

  /** Of a message that came in fragments, and is inflated when it ends. */
  get deflatedBytes(): number {
    return this.#inflater?.waitingBytes ?? 0;
  }

  /** Both sides' closing comes through here: after it, the only frame that may be written is `ws`'s own close frame. */
  override close(code?: number, data?: string | Buffer): void {
    this.owner?.stop();
    super.close(code ?? this.#inflater?.closeCode, data);
  }
}

/**
 * The one writer of a WebSocket after its upgrade. `ws` reads, and keeps the closing handshake; frames that are ready
 * made go straight to the TCP socket. Both write whole frames at once, so they follow each other in order; what must
 * not happen is data after a close frame, which the state of `ws` tells.
 */
export class WebSocketSocket implements SessionSocket {
  readonly remoteAddress: string;
  readonly #ws: SessionWebSocket;
  readonly #tcp: DirectSocket;
  readonly #pingEveryBytes: number;
  readonly #maxQueuedBytes: number;
  readonly #traffic: Traffic;
  /** Of the bytes that came, those that were counted. */
  #received: number;
  #open = true;
  #written = 0;
  #answered = 0;
  #pinged = 0;
  /** Pings without a pong; the peer may leave some unanswered (RFC 6455 §5.5.3). */
  #unanswered = 0;
  /** Bytes that the kernel has not taken. */
  #queued = 0;
  /** Of the one write to the kernel that may be under way. */
  #direct = 0;
  /** Its session does not want to read now. */
  #held = false;
  /** It is not read because it does not read. */
  #choked = false;
  /** Who waits for a pong, by how much had been written. */
  #confirming: { readonly written: number; readonly onConfirmed: () => void }[] | undefined = undefined;
  readonly #onTaken: (error?: Error | null) => void;

  constructor(
    ws: SessionWebSocket,
    tcp: Socket,
    remoteAddress: string,
    { maxBytesInFlight, traffic }: { maxBytesInFlight: number; traffic: Traffic },
  ) {
    this.#ws = ws;
    // Every `net.Socket` and `TLSSocket` has the method; the types leave it to those who implement streams.
    this.#tcp = tcp as unknown as DirectSocket;
    this.remoteAddress = remoteAddress;
    this.#traffic = traffic;
    this.#received = tcp.bytesRead;
    this.#pingEveryBytes = Math.min(PING_EVERY_BYTES, Math.floor(maxBytesInFlight / 4));
    // Events alone do not come so far: beyond the bound they are read from the log later.
    this.#maxQueuedBytes = 2 * maxBytesInFlight;
    this.#onTaken = (error) => {
      this.#queued -= this.#direct;
      this.#direct = 0;
      if (error) this.#tcp.destroy();
    };
    ws.owner = this;
  }

  /** What was not answered for; and whatever a client answers, what the kernel has not taken was not read. */
  get bytesInFlight(): number {
    return Math.max(this.#written - this.#answered, this.#queued);
  }

  write(frames: Buffer): void {
    if (!this.#open) return;
    this.#send(frames);
    this.#written += frames.length;
    if (this.#written - this.#pinged >= this.#pingEveryBytes) this.ping();
  }

  /** The payload is how much had been written, so that the pong says what was read. */
  ping(): void {
    if (!this.#open) return;
    this.#pinged = this.#written;
    this.#unanswered++;
    this.#send(numberedPingFrame(this.#written));
  }

  /** Counts what came since it was last called. */
  countReceived(): void {
    const { bytesRead } = this.#tcp;
    this.#traffic.bytesReceived += bytesRead - this.#received;
    this.#received = bytesRead;
  }

  get unfinishedBytes(): number | undefined {
    if (this.#held || this.#choked) return undefined;
    const { _receiver } = this.#ws as unknown as { readonly _receiver: FrameReader };
    const { _state, _bufferedBytes, _fragmented, _messageLength } = _receiver;
    if (_state > LAST_READING_STATE) return undefined;
    if (_state === 0 && _bufferedBytes === 0 && _fragmented === 0) return undefined;
    return _bufferedBytes + _messageLength + this.#ws.deflatedBytes;
  }

  /** A ping says by its pong that everything before it was read. */
  confirm(onConfirmed: () => void): void {
    if (!this.#open) return;
    if (this.#answered >= this.#written) {
      onConfirmed();
      return;
    }
    this.#confirming ??= [];
    this.#confirming.push({ written: this.#written, onConfirmed });
    if (this.#pinged < this.#written) this.ping();
  }

  /** Nothing is written from now on. */
  stop(): void {
    this.#open = false;
    this.#confirming = undefined;
  }

  pauseReading(): void {
    this.#held = true;
    this.#ws.pause();
  }

  resumeReading(): void {
    this.#held = false;
    if (!this.#choked) this.#ws.resume();
  }

  close(code: number, reason: string): void {
    // RFC 6455 §5.5: a control frame holds 125 bytes, two of them the number.
    const text = Buffer.from(reason).subarray(0, 123).toString();
    this.#ws.close(code, text.endsWith('\ufffd') ? text.slice(0, -1) : text);
  }

  drop(code: number, reason: string, graceMs: number): void {
    this.close(code, reason);
    this.#ws.pause();
    if (graceMs > 0) this.#tcp.setTimeout(graceMs, () => this.#tcp.destroy());
    else this.#tcp.destroySoon();
  }

  destroy(): void {
    this.stop();
    this.#tcp.destroy();
  }

  onPing(payload: Buffer): void {
    // A peer that pings without reading its pongs is not answered.
    if (!this.#open || this.#queued > PING_EVERY_BYTES) return;
    this.#send(pongFrame(payload));
  }

  /** Whether there was a ping to answer. */
  onPong(payload: Buffer): boolean {
    if (this.#unanswered === 0) return false;
    this.#unanswered--;
    const read = payload.length === 8 ? payload.readDoubleBE() : Number.NaN;
    // A client may send any pong: only one that it can have got counts, and never backwards.
    if (!(read > this.#answered && read <= this.#pinged)) return true;
    this.#answered = read;
    while (this.#confirming !== undefined && (this.#confirming[0]?.written ?? Number.NaN) <= read) {
      this.#confirming.shift()?.onConfirmed();
    }
    return true;
  }

  /**
   * The kernel nearly always takes a write at once; then the queue, callbacks and ticks of a stream would be a tenth of what
   * a delivery costs. While it has taken everything, bytes go past the stream; once it is full, the stream queues as
   * usual, and libuv keeps both kinds in one order. (Earned by the scenario "fan-out-20" of `npm run bench`.)
   */
  #send(bytes: Buffer): void {
    const { length } = bytes;
    this.#traffic.bytesSent += length;
    if (this.#queued > 0) {
      this.#queued += length;
      this.#tcp.write(bytes, () => this.#onDrained(length));
      if (this.#queued > this.#maxQueuedBytes) this.#choke();
      return;
    }
    this.#queued = length;
    this.#direct = length;
    this.#tcp._write(bytes, 'buffer', this.#onTaken);
  }

  /** Whoever asks on and reads no answers would fill the memory with them: it is not read until it reads ([FLOW-5]). */
  #choke(): void {
    this.#choked = true;
    this.#ws.pause();
  }

  #onDrained(length: number): void {
    this.#queued -= length;
    if (!this.#choked || this.#queued > this.#maxQueuedBytes) return;
    this.#choked = false;
    if (!this.#held) this.#ws.resume();
  }
}

// One listener of each kind for all sessions.

function onMessage(this: SessionWebSocket, data: Buffer, isBinary: boolean): void {
  this.owner?.countReceived();
  this.session?.receive(data, isBinary);
}

function onPing(this: SessionWebSocket, data: Buffer): void {
  this.owner?.countReceived();
  if (this.session?.heardUnasked(data)) this.owner?.onPing(data);
}

function onPong(this: SessionWebSocket, data: Buffer): void {
  this.owner?.countReceived();
  if (!this.owner?.onPong(data)) {
    this.session?.heardUnasked(data);
    return;
  }
  this.session?.heard();
  this.session?.relieved();
}

function onClose(this: SessionWebSocket, code: number): void {
  this.owner?.countReceived();
  this.owner?.stop();
  this.session?.socketClosed(code);
  this.session = undefined;
}

function onError(): void {
  // `close` follows, with the number that says what was wrong.
}

export function listen(ws: SessionWebSocket, session: Session): void {
  ws.session = session;
  ws.on('message', onMessage as (this: WebSocket, data: unknown, isBinary: boolean) => void);
  ws.on('ping', onPing as (this: WebSocket, data: Buffer) => void);
  ws.on('pong', onPong as (this: WebSocket, data: Buffer) => void);
  ws.on('close', onClose as (this: WebSocket, code: number) => void);
  ws.on('error', onError);
}
