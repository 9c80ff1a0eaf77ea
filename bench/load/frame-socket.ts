import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

export interface Endpoint {
  readonly port: number;
  /** Path and query. */
  readonly path: string;
  readonly tls?: boolean;
}

export type OnText = (text: Buffer) => void;

const CLOSE = 0x8;
const PING = 0x9;
const PONG = 0xa;

/**
 * A WebSocket client that costs little: masks with zeros, puts many messages into one write, and hands payloads out
 * without copying. Understands what servers here send: whole text or binary frames, pings, closes.
 */
export class FrameSocket {
  readonly #socket: Socket;
  readonly #onText: OnText;
  #rest: Buffer = Buffer.alloc(0);
  #upgraded: (() => void) | undefined;
  #refused: ((error: Error) => void) | undefined;
  #closed = false;

  private constructor(socket: Socket, onText: OnText, onEnd?: () => void) {
    this.#socket = socket;
    this.#onText = onText;
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      if (!this.#closed) onEnd?.();
      this.#refused?.(new Error('the connection ended before the upgrade'));
    });
  }

  /** `onEnd` is called when the server ends the connection. */
  static async connect(
    endpoint: Endpoint,
    onText: OnText,
    { onEnd }: { onEnd?: () => void } = {},
  ): Promise<FrameSocket> {
    const { port, path, tls = false } = endpoint;
    const where = { host: '127.0.0.1', port };
    // The certificate is the run's own.
    const socket = tls ? connectTls({ ...where, rejectUnauthorized: false }) : connectTcp(where);
    await once(socket, tls ? 'secureConnect' : 'connect');
    socket.setNoDelay(true);
    const self = new FrameSocket(socket, onText, onEnd);
    const upgraded = new Promise<void>((resolve, reject) => {
      self.#upgraded = resolve;
      self.#refused = reject;
    });
    socket.on('data', (chunk: Buffer) => self.#take(chunk));
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
    );
    await upgraded;
    return self;
  }

  /** Sends texts in one write. */
  send(texts: readonly string[]): void {
    this.#socket.write(Buffer.concat(texts.map((text) => maskedFrame(0x1, Buffer.from(text)))));
  }

  close(): void {
    this.#closed = true;
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    if (this.#upgraded !== undefined) {
      const end = bytes.indexOf('\r\n\r\n');
      if (end === -1) {
        this.#rest = bytes;
        return;
      }
      const head = bytes.toString('latin1', 0, end);
      if (!head.startsWith('HTTP/1.1 101')) {
        this.#refused?.(new Error(`the upgrade was refused: ${head.split('\r\n')[0]}`));
        this.close();
        return;
      }
      this.#upgraded();
      this.#upgraded = undefined;
      this.#refused = undefined;
      bytes = bytes.subarray(end + 4);
    }
    this.#rest = this.#takeFrames(bytes);
  }

  /** Hands complete frames on; returns what is left. */
  #takeFrames(bytes: Buffer): Buffer {
    let at = 0;
    while (bytes.length - at >= 2) {
      let size = (bytes[at + 1] as number) & 0x7f;
      let start = at + 2;
      if (size === 126) {
        if (bytes.length < at + 4) break;
        size = bytes.readUInt16BE(at + 2);
        start = at + 4;
      } else if (size === 127) {
        if (bytes.length < at + 10) break;
        size = Number(bytes.readBigUInt64BE(at + 2));
        start = at + 10;
      }
      if (bytes.length < start + size) break;
      this.#onFrame((bytes[at] as number) & 0xf, bytes.subarray(start, start + size));
      at = start + size;
    }
    return bytes.subarray(at);
  }

  #onFrame(opcode: number, payload: Buffer): void {
    if (opcode === PING) this.#socket.write(maskedFrame(PONG, payload));
    else if (opcode === CLOSE) this.#socket.destroy();
    else if (opcode < CLOSE) this.#onText(payload);
  }
}

/** A mask of zeros leaves the payload as it is. */
function maskedFrame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const wide = length >= 126;
  const frame = Buffer.alloc((wide ? 8 : 6) + length);
  frame[0] = 0x80 | opcode;
  if (wide) {
    if (length > 65_535) throw new RangeError(`a message of ${length} bytes is too long for this client`);
    frame[1] = 0x80 | 126;
    frame.writeUInt16BE(length, 2);
  } else frame[1] = 0x80 | length;
  payload.copy(frame, frame.length - length);
  return frame;
}
