import type { EventMessage, ServerMessage } from '@millrace/protocol';
import type { Session } from '../packages/server/src/session/session.ts';
import type { SessionSocket } from '../packages/server/src/session/session-socket.ts';
import { FrameReader } from './frame-reader.ts';
import { type SimulatedServer, TOKEN } from './simulated-server.ts';

/** A connection that speaks the native protocol, and hears everything at once, unless it does not read. */
export class WireClient implements SessionSocket {
  readonly remoteAddress = '192.0.2.1';
  readonly unfinishedBytes = undefined;
  /** What it was told and nobody has looked at yet. */
  readonly heard: Exclude<ServerMessage, { type: 'batch' }>[] = [];
  /** The number that the server closed with. */
  closed: number | undefined;
  readonly #session: Session;
  readonly #frames: FrameReader;
  /** What arrived and is not read. */
  #unread: Buffer[] | undefined;
  #lastId = 0;

  constructor(server: SimulatedServer) {
    this.#frames = new FrameReader((text) => this.#hear(JSON.parse(text) as ServerMessage));
    this.#session = server.accept(this);
    this.send({ type: 'auth', token: TOKEN });
  }

  get reads(): boolean {
    return this.#unread === undefined;
  }

  get bytesInFlight(): number {
    return this.#unread?.reduce((sum, { length }) => sum + length, 0) ?? 0;
  }

  /** Sends a message with a fresh id, and returns the id. */
  send(message: object): string {
    const id = `m${++this.#lastId}`;
    this.#session.receive(Buffer.from(JSON.stringify({ id, ...message })), false);
    return id;
  }

  /** Its connection is gone. */
  cut(): void {
    this.#session.socketClosed(1006);
    this.closed ??= 1006;
  }

  stopReading(): void {
    this.#unread ??= [];
  }

  readAgain(): void {
    const unread = this.#unread ?? [];
    this.#unread = undefined;
    for (const bytes of unread) this.#frames.push(bytes);
    this.#session.heard();
    this.#session.relieved();
  }

  /** Takes what was heard so far. */
  take(): (typeof this.heard)[number][] {
    return this.heard.splice(0);
  }

  // What the session asks of its socket.

  write(frames: Buffer): void {
    if (this.closed !== undefined) return;
    if (this.#unread === undefined) this.#frames.push(frames);
    else this.#unread.push(frames);
  }

  ping(): void {
    if (this.reads) this.#session.heard();
  }

  close(code: number): void {
    this.closed ??= code;
  }

  drop(code: number): void {
    this.closed ??= code;
  }

  destroy(): void {
    this.closed ??= 1006;
  }

  confirm(): void {}

  pauseReading(): void {}

  resumeReading(): void {}

  #hear(message: ServerMessage): void {
    if (message.type === 'batch') for (const event of message.events) this.heard.push(asEvent(event));
    else this.heard.push(message);
  }
}

/** In a batch they need not say what they are. */
function asEvent(event: EventMessage): EventMessage {
  return { ...event, type: 'event' };
}
