import { isUtf8 } from 'node:buffer';
import { checkObject, MillraceError, parseJsonObject, type ServerMessage } from '@millrace/protocol';
import { Packr } from 'msgpackr';
import type { StoredEvent } from '../engine/engine.ts';
import type { CursorSource, Dialect, Frame, Payload } from '../hub/dialect.ts';
import type { SnapshotContent } from '../hub/snapshot.ts';
import { eventJson, flatEventJson } from './event-json.ts';
import { binaryFrame, textFrame } from './frames.ts';
import { readMsgpack } from './msgpack-reader.ts';
import { flatSnapshotJson, snapshotFields, snapshotJson } from './snapshot-json.ts';

/** What a dialect writes: the payloads of its messages. */
export interface Format {
  eventPayload(event: StoredEvent, at: CursorSource, attempt?: number): Payload;
  messagePayload(message: ServerMessage): Payload | undefined;
  snapshotPayload(snapshot: SnapshotContent): Payload;
  /** See `Dialect.encodePlace`. */
  placePayload?(place: string): Payload;
  batchPayload(events: readonly Payload[]): Payload | undefined;
}

/** How many dialects there are; those that others are made of have indices from here on. */
export const DIALECT_COUNT = 5;

interface DialectParts {
  readonly index: number;
  readonly name: string;
  readonly carriesCursor: boolean;
  readonly format: Format;
  /** Makes a payload of the format ready to be written. */
  readonly frame: (payload: Payload) => Frame;
}

/** A dialect of a format and a framing. */
export class FormatDialect implements Dialect {
  readonly index: number;
  readonly name: string;
  readonly carriesCursor: boolean;
  readonly format: Format;
  readonly frame: (payload: Payload) => Frame;

  constructor({ index, name, carriesCursor, format, frame }: DialectParts) {
    this.index = index;
    this.name = name;
    this.carriesCursor = carriesCursor;
    this.format = format;
    this.frame = frame;
  }

  encodeEvent(event: StoredEvent, at: CursorSource, attempt?: number): Frame {
    return this.frame(this.format.eventPayload(event, at, attempt));
  }

  encodeMessage(message: ServerMessage): Frame | undefined {
    const payload = this.format.messagePayload(message);
    return payload === undefined ? undefined : this.frame(payload);
  }

  encodeSnapshot(snapshot: SnapshotContent): Frame {
    return this.frame(this.format.snapshotPayload(snapshot));
  }

  encodePlace(place: string): Frame | undefined {
    const { placePayload } = this.format;
    return placePayload && this.frame(placePayload(place));
  }

  eventPayload(event: StoredEvent, at: CursorSource, attempt?: number): Payload {
    return this.format.eventPayload(event, at, attempt);
  }

  batchPayload(events: readonly Payload[]): Payload | undefined {
    return this.format.batchPayload(events);
  }
}

function webSocketFrame(payload: Payload): Buffer {
  return typeof payload === 'string' ? textFrame(payload) : binaryFrame(payload);
}

/** The native door's JSON. */
export const jsonDialect: FormatDialect = new FormatDialect({
  index: 0,
  name: 'json',
  carriesCursor: false,
  format: {
    eventPayload: (event, _at, attempt) => eventJson(event, attempt),
    messagePayload: (message) => JSON.stringify(message),
    snapshotPayload: snapshotJson,
    batchPayload: (events) => `{"type":"batch","events":[${events.join(',')}]}`,
  },
  frame: webSocketFrame,
});

// Without records, every message can be read by itself; numbers and strings as any decoder knows them.
const packr = new Packr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' });

/** `{type: "batch", events: ` in MessagePack: a map of two, up to its second value. */
const BATCH_HEAD = Buffer.concat([
  Buffer.of(0x82),
  ...['type', 'batch', 'events'].map((key) => packr.pack(key)),
]);

function listHead(length: number): Buffer {
  if (length < 16) return Buffer.of(0x90 | length);
  const head = Buffer.of(0xdd, 0, 0, 0, 0);
  head.writeUInt32BE(length, 1);
  return head;
}

/** The native door's MessagePack: the same shapes. */
export const msgpackDialect: FormatDialect = new FormatDialect({
  index: 1,
  name: 'msgpack',
  carriesCursor: false,
  format: {
    eventPayload: (event, _at, attempt) => packr.pack(JSON.parse(eventJson(event, attempt))),
    messagePayload: (message) => packr.pack(message),
    snapshotPayload: (snapshot) => packr.pack(JSON.parse(snapshotJson(snapshot))),
    // Its event payloads are bytes: it made them.
    batchPayload: (events) => Buffer.concat([BATCH_HEAD, listHead(events.length), ...(events as Buffer[])]),
  },
  frame: webSocketFrame,
});

/** What a bare client is told although it did not ask: nothing. */
const BARE_ANSWERS: ReadonlySet<ServerMessage['type']> = new Set([
  'subscribed',
  'unsubscribed',
  'ok',
  'error',
  'pong',
  'connection.heartbeat',
]);

/** A plain client is answered with what it called the topic; of recovery it is told what it asked for. */
function flatMessage(message: ServerMessage): object {
  if (message.type === 'subscribed' && message.stream !== undefined) {
    const { type, id, stream, recovered, reason, replayed } = message;
    return { type, id, stream, ...(recovered !== undefined && { recovered, reason, replayed }) };
  }
  if (message.type === 'unsubscribed' && message.stream !== undefined) {
    const { topic: _topic, ...rest } = message;
    return rest;
  }
  return message;
}

/** The bare door: flat events, answers, and nothing else. */
export const bareDialect: FormatDialect = new FormatDialect({
  index: 2,
  name: 'bare',
  carriesCursor: false,
  format: {
    eventPayload: (event) => flatEventJson(event),
    messagePayload: (message) =>
      BARE_ANSWERS.has(message.type) ? JSON.stringify(flatMessage(message)) : undefined,
    snapshotPayload: flatSnapshotJson,
    batchPayload: () => undefined,
  },
  frame: webSocketFrame,
});

/** How long a browser's `EventSource` waits before it comes back, in ms. */
const SSE_RETRY_MS = 1000;

/** An event's name in one line: it may hold no line break, but other characters that a field may. */
function sseEvent(event: StoredEvent, at: CursorSource, data: string): string {
  return `id: ${at.cursorText()}\nevent: ${event.event}\ndata: ${data}\n\n`;
}

/** A client that goes away before it has a place asks for the snapshot again. */
const sseSnapshots: Pick<Format, 'snapshotPayload' | 'placePayload'> = {
  snapshotPayload: (snapshot) => `event: snapshot\ndata: {${snapshotFields(snapshot)}}\n\n`,
  // Of the same block as the snapshot.
  placePayload: (place) => `id: ${place}\n`,
};

/** Messages that an SSE client is told, as comments and events of its stream. */
function sseMessage(message: ServerMessage): string | undefined {
  switch (message.type) {
    case 'subscribed': {
      const gap = message.recovered === false ? `event: gap\ndata: {"reason":"${message.reason}"}\n\n` : '';
      // Until everything was replayed, only what the client came with is a place to resume from.
      const caughtUp = message.replayed === 0 && !message.snapshots;
      const id = caughtUp ? `id: ${message.cursor}\n` : '';
      return `retry: ${SSE_RETRY_MS}\n${id}\n${gap}`;
    }
    case 'position':
      return `id: ${message.cursor ?? message.position}\n\n`;
    case 'dropped':
      return `event: gap\ndata: ${JSON.stringify({ reason: message.reason, topic: message.topic })}\n\n`;
    case 'error': {
      // Of what the stream itself asked for: its client sends nothing.
      const { code, message: what, retryable, details } = message;
      return `event: problem\ndata: ${JSON.stringify({ code, message: what, retryable, details })}\n\n`;
    }
    case 'closing':
      return `retry: ${message.retryAfterMs ?? SSE_RETRY_MS}\n\n`;
    default:
      return undefined;
  }
}

/** A block of the stream is its own frame. */
function sseFrame(block: Payload): Buffer {
  return typeof block === 'string' ? Buffer.from(block) : block;
}

/** The SSE door: the data alone. */
export const sseDialect: FormatDialect = new FormatDialect({
  index: 3,
  name: 'sse',
  carriesCursor: true,
  format: {
    eventPayload: (event, at) => sseEvent(event, at, event.data),
    messagePayload: sseMessage,
    ...sseSnapshots,
    batchPayload: () => undefined,
  },
  frame: sseFrame,
});

/** The SSE door with `format=full`: the whole event as the native door sends it. */
export const sseFullDialect: FormatDialect = new FormatDialect({
  index: 4,
  name: 'sse-full',
  carriesCursor: true,
  format: {
    eventPayload: (event, at, attempt) => sseEvent(event, at, eventJson(event, attempt)),
    // Who reads whole events may acknowledge ([ACK-5]).
    messagePayload: (message) =>
      message.type === 'acked' ? `event: acked\ndata: ${JSON.stringify(message)}\n\n` : sseMessage(message),
    ...sseSnapshots,
    batchPayload: () => undefined,
  },
  frame: sseFrame,
});

/** Reads a text message as one JSON object. Throws a `MillraceError`. */
export function decodeJson(data: Buffer, isBinary: boolean, maxDepth: number): Record<string, unknown> {
  if (isBinary) throw new MillraceError('bad-message', 'a binary frame in a JSON session; send text frames');
  if (!isUtf8(data)) throw new MillraceError('bad-utf8', 'the message is not valid UTF-8');
  return parseJsonObject(data.toString('utf8'), maxDepth);
}

/** Reads a binary message as one MessagePack map. Throws a `MillraceError`. */
export function decodeMsgpack(data: Buffer, isBinary: boolean, maxDepth: number): Record<string, unknown> {
  if (!isBinary)
    throw new MillraceError('bad-message', 'a text frame in a MessagePack session; send binary frames');
  return checkObject(readMsgpack(data, maxDepth), maxDepth);
}
