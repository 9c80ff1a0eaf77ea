import { isUtf8 } from 'node:buffer';
import { checkObject, MillraceError, parseJsonObject, type ServerMessage } from '@millrace/protocol';
import { Packr } from 'msgpackr';
import type { StoredEvent } from '../engine/engine.ts';
import type { CursorSource, Dialect } from '../hub/dialect.ts';
import { eventJson, flatEventJson } from './event-json.ts';
import { binaryFrame, textFrame } from './frames.ts';
import { readMsgpack } from './msgpack-reader.ts';

/** The native door's JSON. */
export const jsonDialect: Dialect = {
  index: 0,
  name: 'json',
  carriesCursor: false,
  encodeEvent: (event) => textFrame(eventJson(event)),
  encodeMessage: (message) => textFrame(JSON.stringify(message)),
};

// Without records, every message can be read by itself; numbers and strings as any decoder knows them.
const packr = new Packr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' });

/** The native door's MessagePack: the same shapes. */
export const msgpackDialect: Dialect = {
  index: 1,
  name: 'msgpack',
  carriesCursor: false,
  encodeEvent: (event) => binaryFrame(packr.pack(JSON.parse(eventJson(event)))),
  encodeMessage: (message) => binaryFrame(packr.pack(message)),
};

/** What a bare client is told although it did not ask: nothing. */
const BARE_ANSWERS: ReadonlySet<ServerMessage['type']> = new Set([
  'subscribed',
  'unsubscribed',
  'ok',
  'error',
  'pong',
  'snapshot',
]);

/** The bare door: flat events, answers, and nothing else. */
export const bareDialect: Dialect = {
  index: 2,
  name: 'bare',
  carriesCursor: false,
  encodeEvent: (event) => textFrame(flatEventJson(event)),
  encodeMessage: (message) =>
    BARE_ANSWERS.has(message.type) ? textFrame(JSON.stringify(message)) : undefined,
};

/** How long a browser's `EventSource` waits before it comes back, in ms. */
export const SSE_RETRY_MS = 1000;

function sseBlock(id: string, event: string, data: string): Buffer {
  return Buffer.from(`id: ${id}\nevent: ${event}\ndata: ${data}\n\n`);
}

/** An event's name in one line: it may hold no line break, but other characters that a field may. */
function encodeSseEvent(event: StoredEvent, at: CursorSource, data: string): Buffer {
  return sseBlock(at.cursorText(), event.event, data);
}

/** Messages that an SSE client is told, as comments and events of its stream. */
function encodeSseMessage(message: ServerMessage): Buffer | undefined {
  switch (message.type) {
    case 'subscribed': {
      const gap = message.recovered === false ? `event: gap\ndata: {"reason":"${message.reason}"}\n\n` : '';
      // Until everything was replayed, only what the client came with is a place to resume from.
      const id = message.replayed === 0 ? `id: ${message.cursor}\n` : '';
      return Buffer.from(`retry: ${SSE_RETRY_MS}\n${id}\n${gap}`);
    }
    case 'position':
      return Buffer.from(`id: ${message.cursor}\n\n`);
    case 'dropped':
      return Buffer.from(
        `event: gap\ndata: ${JSON.stringify({ reason: message.reason, topic: message.topic })}\n\n`,
      );
    case 'closing':
      return Buffer.from(`retry: ${message.retryAfterMs ?? SSE_RETRY_MS}\n\n`);
    default:
      return undefined;
  }
}

/** The SSE door: the data alone. */
export const sseDialect: Dialect = {
  index: 3,
  name: 'sse',
  carriesCursor: true,
  encodeEvent: (event, at) => encodeSseEvent(event, at, event.data),
  encodeMessage: encodeSseMessage,
};

/** The SSE door with `format=full`: the whole event as the native door sends it. */
export const sseFullDialect: Dialect = {
  index: 4,
  name: 'sse-full',
  carriesCursor: true,
  encodeEvent: (event, at) => encodeSseEvent(event, at, eventJson(event)),
  encodeMessage: encodeSseMessage,
};

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
