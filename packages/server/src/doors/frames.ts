import type { Frame } from '../hub/dialect.ts';

/** WebSocket frames from server to client, ready to be written (RFC 6455 §5.2): never masked, never fragmented. */

const FIN = 0x80;
/** The payload is deflated (RFC 7692 §6). */
const RSV1 = 0x40;
const TEXT = 0x1;
const BINARY = 0x2;
const PING = 0x9;
const PONG = 0xa;

/** A text frame; one pass over the text, one buffer. */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const start = headerLength(length);
  const frame = Buffer.allocUnsafe(start + length);
  writeHeader(frame, TEXT, length);
  frame.write(text, start, 'utf8');
  return frame;
}

export function binaryFrame(payload: Uint8Array): Buffer {
  return payloadFrame(BINARY, payload);
}

/** A frame of a payload that was deflated, for clients with whom that was agreed. */
export function deflatedFrame(
  deflated: Uint8Array,
  { isText, savedBytes }: { isText: boolean; savedBytes: number },
): Frame {
  const frame: Frame = payloadFrame(RSV1 | (isText ? TEXT : BINARY), deflated);
  frame.savedBytes = savedBytes;
  return frame;
}

/** A ping that carries a number, in one allocation. */
export function numberedPingFrame(value: number): Buffer {
  const frame = Buffer.allocUnsafe(10);
  writeHeader(frame, PING, 8);
  frame.writeDoubleBE(value, 2);
  return frame;
}

/** A control frame; its payload has at most 125 bytes. */
export function pongFrame(payload: Uint8Array): Buffer {
  return payloadFrame(PONG, payload);
}

function payloadFrame(opcode: number, payload: Uint8Array): Buffer {
  const start = headerLength(payload.length);
  const frame = Buffer.allocUnsafe(start + payload.length);
  writeHeader(frame, opcode, payload.length);
  frame.set(payload, start);
  return frame;
}

function headerLength(length: number): number {
  if (length < 126) return 2;
  return length < 65_536 ? 4 : 10;
}

function writeHeader(frame: Buffer, opcode: number, length: number): void {
  frame[0] = FIN | opcode;
  if (length < 126) frame[1] = length;
  else if (length < 65_536) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeUInt32BE(Math.floor(length / 2 ** 32), 2);
    frame.writeUInt32BE(length % 2 ** 32, 6);
  }
}
