import { createHash, randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { within } from './until.ts';

export interface RawFrame {
  readonly fin: boolean;
  readonly rsv: number;
  readonly opcode: number;
  readonly masked: boolean;
  readonly payload: Buffer;
  /** Bytes of its header: 2, 4 or 10 without a mask. */
  readonly headerBytes: number;
}

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** A client's frame: masked, as RFC 6455 §5.3 wants it. */
export function clientFrame(
  opcode: number,
  payload: Uint8Array | string,
  { fin = true, masked = true }: { fin?: boolean; masked?: boolean } = {},
): Buffer {
  const body = Buffer.from(payload as Uint8Array);
  const length = body.length;
  const head =
    length < 126
      ? Buffer.from([0, length])
      : length < 65_536
        ? Buffer.from([0, 126, length >> 8, length & 255])
        : Buffer.concat([Buffer.from([0, 127, 0, 0, 0, 0]), uint32(length)]);
  head[0] = (fin ? 0x80 : 0) | opcode;
  if (!masked) return Buffer.concat([head, body]);
  head[1]! |= 0x80;
  const mask = randomBytes(4);
  return Buffer.concat([head, mask, body.map((byte, i) => byte ^ mask[i % 4]!)]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A WebSocket client that answers nothing by itself, sends any bytes, and shows every frame as it came. */
export class RawWebSocket {
  readonly tcp: Socket;
  /** All that came after the head of the HTTP answer. */
  readonly frames: RawFrame[] = [];
  head = '';
  /** Bytes that are no whole frame yet; what is left at the end was torn. */
  rest: Buffer = Buffer.alloc(0);
  readonly ended: Promise<void>;
  #over = false;
  #wake: (() => void)[] = [];

  /** `first` is sent in the same write as the upgrade. */
  constructor(
    url: string,
    { headers = {}, first }: { headers?: Record<string, string>; first?: Buffer } = {},
  ) {
    const { hostname, port, pathname, search, host } = new URL(url);
    const key = randomBytes(16).toString('base64');
    const lines = Object.entries({
      host,
      upgrade: 'websocket',
      connection: 'Upgrade',
      'sec-websocket-version': '13',
      'sec-websocket-key': key,
      ...headers,
    }).map(([name, value]) => `${name}: ${value}\r\n`);
    this.tcp = connect(Number(port), hostname);
    this.tcp.write(
      Buffer.concat([
        Buffer.from(`GET ${pathname}${search} HTTP/1.1\r\n${lines.join('')}\r\n`),
        first ?? Buffer.alloc(0),
      ]),
    );
    this.tcp.on('data', (chunk) => this.#take(chunk, acceptOf(key)));
    this.tcp.on('error', () => {});
    this.ended = new Promise((resolve) => {
      this.tcp.once('close', () => {
        this.#over = true;
        this.#notify();
        resolve();
      });
    });
  }

  /** Text messages so far, parsed. */
  get messages(): Record<string, unknown>[] {
    return this.frames
      .filter(({ opcode }) => opcode === OPCODE.text)
      .map(({ payload }) => JSON.parse(payload.toString()) as Record<string, unknown>);
  }

  async until(condition: (socket: this) => boolean, description: string, deadlineMs = 15_000): Promise<void> {
    const satisfied = async (): Promise<void> => {
      while (!condition(this)) {
        if (this.#over) throw new Error(`the connection ended while waiting for ${description}`);
        await new Promise<void>((resolve) => this.#wake.push(resolve));
      }
    };
    await within(satisfied(), description, deadlineMs);
  }

  async message(type: string, matching: (message: Record<string, unknown>) => boolean = () => true) {
    const find = () => this.messages.find((message) => message.type === type && matching(message));
    await this.until(() => find() !== undefined, `a message "${type}"`);
    return find()!;
  }

  send(message: object): void {
    this.tcp.write(clientFrame(OPCODE.text, JSON.stringify(message)));
  }

  destroy(): void {
    this.tcp.destroy();
  }

  #take(chunk: Buffer, accept: string): void {
    this.rest = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    if (this.head === '') {
      const end = this.rest.indexOf('\r\n\r\n');
      if (end === -1) return;
      this.head = this.rest.toString('latin1', 0, end);
      this.rest = this.rest.subarray(end + 4);
      if (this.head.includes(' 101 ') && !this.head.includes(accept)) throw new Error('a wrong accept key');
    }
    if (this.head.includes(' 101 ')) {
      for (let frame = readFrame(this.rest); frame !== undefined; frame = readFrame(this.rest)) {
        this.frames.push(frame);
        this.rest = this.rest.subarray(frame.headerBytes + frame.payload.length);
      }
    }
    this.#notify();
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }
}

function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

function readFrame(bytes: Buffer): RawFrame | undefined {
  if (bytes.length < 2) return undefined;
  const [first = 0, second = 0] = bytes;
  const short = second & 0x7f;
  const headerBytes = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < headerBytes) return undefined;
  const length =
    short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  if (bytes.length < headerBytes + length) return undefined;
  return {
    fin: (first & 0x80) !== 0,
    rsv: (first >> 4) & 7,
    opcode: first & 15,
    masked: (second & 0x80) !== 0,
    payload: bytes.subarray(headerBytes, headerBytes + length),
    headerBytes,
  };
}
