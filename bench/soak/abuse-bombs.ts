import { connect } from 'node:net';
import { constants, deflateRawSync } from 'node:zlib';

/** Small messages that want to become large, or many: each is refused with what is named here. */
export interface Bomb {
  readonly name: string;
  /** A close number, an error's code, or an HTTP status. */
  readonly refusedWith: string;
  readonly drop: (target: { port: number; token: string }) => Promise<string>;
}

function frame(firstByte: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(14);
  head[0] = firstByte;
  let headBytes = 6;
  if (length < 126) head[1] = 0x80 | length;
  else if (length < 65_536) {
    head[1] = 0x80 | 126;
    head.writeUInt16BE(length, 2);
    headBytes = 8;
  } else {
    head[1] = 0x80 | 127;
    head.writeUInt32BE(length, 6);
    headBytes = 14;
  }
  return Buffer.concat([head.subarray(0, headBytes), payload]);
}

/** Sends frames at a session, and answers with the number it is closed with, or the code of the first error. */
function overSocket(frames: () => Buffer, extensions = ''): Bomb['drop'] {
  return ({ port, token }) =>
    new Promise((resolve) => {
      const tcp = connect(port, '127.0.0.1');
      tcp.on('error', () => {});
      let received = Buffer.alloc(0);
      tcp.on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk]);
        const error = /"type":"error".*?"code":"([a-z-]+)"/.exec(received.toString('latin1'))?.[1];
        const closing = received.indexOf(Buffer.from([0x88]), received.indexOf('\r\n\r\n'));
        if (error !== undefined) resolve(error);
        else if (closing !== -1 && received.length >= closing + 4)
          resolve(String(received.readUInt16BE(closing + 2)));
        else return;
        tcp.destroy();
      });
      tcp.once('close', () => resolve('nothing'));
      tcp.write(
        [
          `GET /ws?token=${token} HTTP/1.1`,
          'Host: localhost',
          'Upgrade: websocket',
          'Connection: Upgrade',
          'Sec-WebSocket-Version: 13',
          'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
          ...(extensions === '' ? [] : [`Sec-WebSocket-Extensions: ${extensions}`]),
          '\r\n',
        ].join('\r\n'),
      );
      tcp.write(frames());
    });
}

function overHttp(body: () => string): Bomb['drop'] {
  return async ({ port, token }) => {
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: body(),
    });
    await answer.arrayBuffer();
    return String(answer.status);
  };
}

/** 1000:1, and small enough for a message. */
function deflateBomb(): Buffer {
  const deflated = deflateRawSync(Buffer.alloc(48_000_000, 'x'), { finishFlush: constants.Z_SYNC_FLUSH });
  return frame(0xc1, deflated.subarray(0, -4));
}

const deflated = deflateBomb();
const fragments = Buffer.concat([
  frame(0x01, Buffer.from('"')),
  ...new Array<Buffer>(100_000).fill(frame(0x00, Buffer.from('x'))),
]);
const depth = frame(
  0x81,
  Buffer.from(`{"type":"publish","topic":"a","event":"x","data":${'['.repeat(10_000)}${']'.repeat(10_000)}}`),
);
const longKey = `{"topic":"a.b","event":"x","data":{"${'k'.repeat(1_000_000)}":1}}`;

export const BOMBS: readonly Bomb[] = [
  {
    name: 'deflate 1000:1',
    refusedWith: '1009',
    drop: overSocket(
      () => deflated,
      'permessage-deflate; client_no_context_takeover; server_no_context_takeover',
    ),
  },
  { name: '100,000 fragments', refusedWith: '1008', drop: overSocket(() => fragments) },
  { name: 'JSON depth 10,000', refusedWith: 'too-deep', drop: overSocket(() => depth) },
  { name: 'a key of 1 MB', refusedWith: '1009', drop: overSocket(() => frame(0x81, Buffer.from(longKey))) },
  { name: 'a key of 1 MB over HTTP', refusedWith: '413', drop: overHttp(() => longKey) },
];
