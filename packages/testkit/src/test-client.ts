import type { ServerMessage } from '@millrace/protocol';
import { type ClientOptions, WebSocket } from 'ws';
import { within } from './until.ts';

export interface Closed {
  readonly code: number;
  readonly reason: string;
}

/** Options of an ordinary `ws` client, and the subprotocols to offer. */
export interface TestClientOptions extends ClientOptions {
  readonly subprotocols?: readonly string[];
  /** Reads binary frames; without it they are only kept. */
  readonly decodeBinary?: (data: Buffer) => object;
}

/** The messages of a type; where the shape does not tell them apart, any. */
type OfType<Message, Type extends string> = [Extract<Message, { type: Type }>] extends [never]
  ? Message
  : Extract<Message, { type: Type }>;

/**
 * An ordinary WebSocket client that keeps what it was sent, in order, and lets a test wait for it. `Message` is the shape
 * that the test expects of frames; nothing checks it.
 */
export class TestClient<Message extends object = ServerMessage> {
  readonly socket: WebSocket;
  /** Every text frame so far, as it came. */
  readonly texts: string[] = [];
  /** The payload of every frame so far, text or binary. */
  readonly payloads: Buffer[] = [];
  readonly messages: Message[] = [];
  readonly closed: Promise<Closed>;
  #taken = 0;
  #wake: (() => void)[] = [];

  constructor(url: string, { subprotocols = [], decodeBinary, ...options }: TestClientOptions = {}) {
    // Whoever tests compression asks for it: to others the bytes of an event are what they published.
    this.socket = new WebSocket(url, [...subprotocols], { perMessageDeflate: false, ...options });
    this.socket.on('message', (data: Buffer, isBinary) => {
      this.payloads.push(data);
      if (isBinary) {
        if (decodeBinary === undefined) return;
        this.messages.push(decodeBinary(data) as Message);
        this.#notify();
        return;
      }
      const text = data.toString('utf8');
      this.texts.push(text);
      this.messages.push(JSON.parse(text) as Message);
      this.#notify();
    });
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => {
        resolve({ code, reason: reason.toString() });
        this.#notify();
      });
    });
    this.socket.on('error', () => this.#notify());
  }

  /** Resolves when the upgrade is done; rejects with its HTTP status when it was refused. */
  opened(): Promise<this> {
    const opened = new Promise<this>((resolve, reject) => {
      this.socket.once('open', () => resolve(this));
      this.socket.once('unexpected-response', (_, response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          body += chunk;
        });
        response.on('end', () =>
          reject(new UpgradeRefused(response.statusCode ?? 0, response.headers, body)),
        );
      });
      this.socket.once('error', reject);
    });
    return within(opened, 'the connection to open');
  }

  send(message: object): void {
    this.socket.send(JSON.stringify(message));
  }

  /** The next message, in order, that nobody has waited for; with a type, others before it are skipped. */
  next<Type extends string>(type?: Type): Promise<OfType<Message, Type>> {
    return within(this.#next(type), type === undefined ? 'a message' : `a message "${type}"`) as never;
  }

  /** The next `count` messages of a type. */
  async take<Type extends string>(type: Type, count: number): Promise<OfType<Message, Type>[]> {
    const taken = [];
    for (let i = 0; i < count; i++) taken.push(await this.next(type));
    return taken;
  }

  close(): void {
    this.socket.close();
  }

  async #next(type: string | undefined): Promise<Message> {
    for (;;) {
      while (this.#taken < this.messages.length) {
        const message = this.messages[this.#taken++] as Message & { type?: string };
        if (type === undefined || message.type === type) return message;
      }
      if (this.socket.readyState === WebSocket.CLOSED)
        throw new Error(`closed while waiting for ${type ?? 'a message'}`);
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }
}

/** The server answered the upgrade with an error. */
export class UpgradeRefused extends Error {
  override readonly name = 'UpgradeRefused';
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;

  constructor(status: number, headers: Readonly<Record<string, unknown>>, body: string) {
    super(`the upgrade was refused with HTTP ${status}: ${body}`);
    this.status = status;
    this.headers = headers;
    this.body = body;
  }

  get problem(): { readonly code?: string; readonly detail?: string } {
    return JSON.parse(this.body) as { code?: string; detail?: string };
  }
}
