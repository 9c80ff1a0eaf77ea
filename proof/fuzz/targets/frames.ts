import type { Writable } from 'node:stream';
import { constants, deflateRawSync } from 'node:zlib';
import { checkClientMessage } from '@millrace/protocol/client-message';
import * as ws from 'ws';
import { decodeJson } from '../../../packages/server/src/doors/dialects.ts';
import { MessageInflater } from '../../../packages/server/src/doors/message-inflater.ts';
import { RECEIVING } from '../../../packages/server/src/doors/websocket-door.ts';
import { broke, type FuzzTarget, isRefusal } from '../fuzz-target.ts';

const MAX_MESSAGE_BYTES = 64_000;
const MASK = Buffer.from([0x12, 0x34, 0x56, 0x78]);

/** A frame as clients send it: masked. `first` is its first byte: FIN, reserved bits and opcode. */
function frame(first: number, payload: Buffer): Buffer {
  const header =
    payload.length < 126
      ? Buffer.from([first, 0x80 | payload.length])
      : Buffer.from([first, 0x80 | 126, payload.length >> 8, payload.length & 0xff]);
  const masked = payload.map((byte, i) => byte ^ (MASK[i % 4] as number));
  return Buffer.concat([header, MASK, masked]);
}

const TEXT = Buffer.from('{"type":"ping","id":"h1"}');
const PUBLISH = Buffer.from(`{"type":"publish","topic":"a.b","event":"x","data":"${'y'.repeat(150)}"}`);
const DEFLATED = deflateRawSync(PUBLISH);
const BOMB = deflateRawSync(Buffer.alloc(80_000, 0x20));

const OPENING_BRACE = 0x7b;

/** A message in one frame or two, compressed or not. */
function framed(text: Buffer, random: () => number): Buffer {
  const way = random();
  if (way < 0.5) return frame(0x81, text);
  if (way < 0.7)
    return frame(0xc1, deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4));
  const at = Math.floor(random() * text.length);
  return Buffer.concat([frame(0x01, text.subarray(0, at)), frame(0x80, text.subarray(at))]);
}

/** The part of `ws` that reads frames, which its published types leave out. */
type Receiver = Pick<Writable, 'on' | 'write'>;
const { Receiver } = ws as unknown as { Receiver: new (options: Record<string, unknown>) => Receiver };

export const frames: FuzzTarget = {
  name: 'frames',
  seeds: [
    // What is no frame but a text comes in frames that are in order, so that more than their headers is tried.
    TEXT,
    PUBLISH,
    '{"type":"subscribe","topic":"a.*","since":"earliest","filter":{"types":["x"]}}',
    frame(0x81, TEXT),
    frame(0x81, PUBLISH),
    frame(0x82, TEXT),
    Buffer.concat([
      frame(0x01, TEXT.subarray(0, 9)),
      frame(0x89, Buffer.from('now')),
      frame(0x80, TEXT.subarray(9)),
    ]),
    Buffer.concat([frame(0x01, TEXT), frame(0x00, TEXT), frame(0x00, TEXT), frame(0x80, Buffer.alloc(0))]),
    frame(0xc1, DEFLATED),
    frame(0xc1, BOMB),
    Buffer.concat([frame(0x41, DEFLATED.subarray(0, 20)), frame(0x80, DEFLATED.subarray(20))]),
    frame(0x8a, Buffer.alloc(8)),
    frame(0x88, Buffer.from([0x03, 0xe8, 0x62, 0x79, 0x65])),
  ],
  words: [
    Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0]),
    Buffer.from([0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
    Buffer.from([0x01, 0x80, 0, 0, 0, 0]),
    Buffer.from([0x00, 0x80, 0, 0, 0, 0]),
    Buffer.from([0xc1]),
    Buffer.from([0x89, 0xfe]),
    Buffer.from([0xf1]),
  ],
  create: (random) => {
    // What is inflated comes after the call: a finding of one is told by the next.
    let late: unknown;
    return (input) => {
      const compressed = random() < 0.5;
      const inflater = new MessageInflater(MAX_MESSAGE_BYTES);
      const receiver = new Receiver({
        ...RECEIVING,
        isServer: true,
        binaryType: 'nodebuffer',
        allowSynchronousEvents: true,
        maxPayload: MAX_MESSAGE_BYTES,
        extensions: compressed ? { 'permessage-deflate': inflater } : {},
      });
      let accepted = false;
      let over = false;
      receiver.on('message', (data: Buffer, isBinary: boolean) => {
        if (data.length > MAX_MESSAGE_BYTES) late = new Error('a message is larger than it may be');
        try {
          checkClientMessage(decodeJson(data, isBinary, 32));
          accepted = true;
        } catch (error) {
          if (!isRefusal(error)) late = error;
        }
      });
      // After a close frame, and after an error, `ws` gives it nothing more.
      receiver.on('conclude', () => {
        over = true;
      });
      receiver.on('error', (error: Error & { code?: string }) => {
        over = true;
        const known = error.code?.startsWith('WS_ERR_') === true || inflater.closeCode !== undefined;
        if (!known) late = error;
      });
      const bytes = input[0] === OPENING_BRACE ? framed(input, random) : Buffer.from(input);
      const cut = random() < 0.3 ? Math.floor(random() * bytes.length) : bytes.length;
      receiver.write(bytes.subarray(0, cut));
      if (cut < bytes.length && !over) receiver.write(bytes.subarray(cut));
      if (late === undefined) return accepted;
      const problem = String(late);
      late = undefined;
      return broke(problem);
    };
  },
};
