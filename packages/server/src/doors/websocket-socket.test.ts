import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { clientFrame, OPCODE, RawWebSocket, until } from '@millrace/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { Session } from '../session/session.ts';
import { binaryFrame, textFrame } from './frames.ts';
import { createTraffic, type Traffic } from './traffic.ts';
import { listen, SessionWebSocket, WebSocketSocket } from './websocket-socket.ts';

/** What the server side of one connection consists of, with a session that only takes notes. */
interface Peer {
  readonly socket: WebSocketSocket;
  readonly tcp: Socket;
  readonly received: string[];
  relieved: number;
  heard: number;
  closed: number | undefined;
  onReceived: () => void;
}

let http: Server;
let traffic: Traffic;
let peers: Peer[];
let url: string;

beforeEach(async () => {
  peers = [];
  traffic = createTraffic();
  const doors = new WebSocketServer({
    noServer: true,
    WebSocket: SessionWebSocket,
    perMessageDeflate: false,
    skipUTF8Validation: true,
    autoPong: false,
  });
  http = createServer();
  http.on('upgrade', (request, tcp: Socket, head) => {
    doors.handleUpgrade(request, tcp, head, (ws) => {
      const socket = new WebSocketSocket(ws as SessionWebSocket, tcp, '127.0.0.1', {
        maxBytesInFlight: 1_048_576,
        traffic,
      });
      const peer: Peer = {
        socket,
        tcp,
        received: [],
        relieved: 0,
        heard: 0,
        closed: undefined,
        onReceived: () => {},
      };
      const session = {
        receive: (data: Buffer) => {
          peer.received.push(data.toString());
          peer.onReceived();
        },
        heard: () => void peer.heard++,
        heardUnasked: () => {
          peer.heard++;
          return true;
        },
        relieved: () => void peer.relieved++,
        socketClosed: (code: number) => {
          peer.closed = code;
        },
      };
      // Of a session, the listeners call these five.
      listen(ws as SessionWebSocket, session as unknown as Session);
      peers.push(peer);
    });
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  url = `ws://127.0.0.1:${(http.address() as AddressInfo).port}/`;
});

afterEach(() => {
  for (const { tcp } of peers) tcp.destroy();
  http.close();
});

async function peerOf(opened: Promise<unknown>): Promise<Peer> {
  await opened;
  await until(() => peers.length > 0, 'the upgrade');
  return peers[0]!;
}

async function ordinary(): Promise<{ client: WebSocket; messages: (string | Buffer)[]; peer: Peer }> {
  const client = new WebSocket(url);
  const messages: (string | Buffer)[] = [];
  client.on('message', (data: Buffer, isBinary) => messages.push(isBinary ? data : data.toString()));
  client.on('error', () => {});
  const peer = await peerOf(new Promise((resolve) => client.once('open', resolve)));
  return { client, messages, peer };
}

async function raw(): Promise<{ client: RawWebSocket; peer: Peer }> {
  const client = new RawWebSocket(url);
  const peer = await peerOf(client.until(({ head }) => head !== '', 'the upgrade'));
  return { client, peer };
}

const LENGTHS = [0, 1, 125, 126, 127, 65_535, 65_536, 65_537, 200_000];

describe('frames', () => {
  test.each(LENGTHS)(
    '[CONN-1] a payload of %d bytes has the shortest header of RFC 6455 §5.2, unmasked, in one frame',
    async (length) => {
      const { client, peer } = await raw();
      peer.socket.write(textFrame('x'.repeat(length)));
      peer.socket.write(binaryFrame(Buffer.alloc(length, 7)));
      await client.until(({ frames }) => frames.length >= 2, 'two frames');
      const headerBytes = length < 126 ? 2 : length < 65_536 ? 4 : 10;
      const frames = client.frames.filter(({ opcode }) => opcode !== OPCODE.ping);
      expect(frames.map(({ payload, ...frame }) => ({ ...frame, length: payload.length }))).toEqual([
        { fin: true, rsv: 0, opcode: OPCODE.text, masked: false, headerBytes, length },
        { fin: true, rsv: 0, opcode: OPCODE.binary, masked: false, headerBytes, length },
      ]);
      expect(frames[0]?.payload.equals(Buffer.alloc(length, 'x'))).toBe(true);
      expect(frames[1]?.payload.equals(Buffer.alloc(length, 7))).toBe(true);
      client.destroy();
    },
  );

  test('[FLOW-4] many frames in one write are as many messages to an ordinary client, in order', async () => {
    const { client, messages, peer } = await ordinary();
    const expected: string[] = [];
    const frames: Buffer[] = [];
    for (let i = 0; i < 3000; i++) {
      const text = `${i}:${'ж'.repeat((i * 37) % 400)}`;
      expected.push(text);
      frames.push(textFrame(text));
    }
    peer.socket.write(Buffer.concat(frames));
    await until(() => messages.length === expected.length, 'all messages');
    expect(messages).toEqual(expected);
    client.terminate();
  });

  test.each(LENGTHS)(
    '[CONN-1] an ordinary client reads a text of %d characters beyond ASCII',
    async (length) => {
      const { client, messages, peer } = await ordinary();
      const text = '😀ж'
        .repeat(length)
        .slice(0, length)
        .replace(/[\ud800-\udbff]$/, 'x');
      peer.socket.write(textFrame(text));
      await until(() => messages.length === 1, 'the message');
      expect(messages[0]).toBe(text);
      client.terminate();
    },
  );
});

describe('a client’s frames', () => {
  test('[CONN-1] fragments with pings, pongs and our own frames in between are one message', async () => {
    const { client, messages, peer } = await ordinary();
    const pongs: string[] = [];
    client.on('pong', (data) => pongs.push(data.toString()));
    client.send('one ', { fin: false });
    client.ping('first');
    await until(() => peer.heard === 1, 'the ping');
    peer.socket.write(textFrame('from the server'));
    client.send('two ', { fin: false });
    client.pong('unasked');
    client.send('', { fin: false });
    client.ping('second');
    client.send('three', { fin: true });
    client.send('next');
    await until(() => peer.received.length === 2, 'both messages');
    expect(peer.received).toEqual(['one two three', 'next']);
    await until(() => pongs.length === 2 && messages.length === 1, 'the pongs');
    expect(pongs).toEqual(['first', 'second']);
    client.terminate();
  });

  test('[CONN-1] frames cut at every byte are read whole', async () => {
    const { client, peer } = await raw();
    client.tcp.setNoDelay(true);
    const bytes = Buffer.concat([
      clientFrame(OPCODE.text, 'ab', { fin: false }),
      clientFrame(OPCODE.ping, 'p'),
      clientFrame(OPCODE.continuation, 'cd'),
      clientFrame(OPCODE.text, 'x'.repeat(130)),
    ]);
    for (const byte of bytes)
      await new Promise<void>((resolve) => client.tcp.write(Buffer.of(byte), () => resolve()));
    await until(() => peer.received.length === 2, 'both messages');
    expect(peer.received).toEqual(['abcd', 'x'.repeat(130)]);
    client.destroy();
  });

  test('[HB-1] a ping is answered with its payload, between our frames and never inside one', async () => {
    const { client, peer } = await raw();
    for (let i = 0; i < 50; i++) {
      peer.socket.write(Buffer.concat([textFrame('a'.repeat(70_000)), textFrame('b')]));
      client.tcp.write(clientFrame(OPCODE.ping, `ping ${i}`));
    }
    await client.until(
      ({ frames }) => frames.filter(({ opcode }) => opcode === OPCODE.pong).length >= 50,
      'the pongs',
    );
    await client.until(
      ({ frames }) => frames.filter(({ opcode }) => opcode === OPCODE.text).length >= 100,
      'the texts',
    );
    const pongs = client.frames.filter(({ opcode }) => opcode === OPCODE.pong);
    expect(pongs.map(({ payload }) => payload.toString())).toEqual(
      Array.from({ length: 50 }, (_, i) => `ping ${i}`),
    );
    expect(client.rest).toHaveLength(0);
    client.destroy();
  });
});

describe('closing', () => {
  test('[CLOSE-1] an ordinary client gets what was written before, the number and the reason', async () => {
    const { client, messages, peer } = await ordinary();
    const closed = new Promise<[number, string]>((resolve) => {
      client.once('close', (code, reason) => resolve([code, reason.toString()]));
    });
    for (let i = 0; i < 100; i++) peer.socket.write(textFrame(`${i}`));
    peer.socket.close(4504, 'an administrator ended it');
    peer.socket.close(4000, 'and again');
    expect(await closed).toEqual([4504, 'an administrator ended it']);
    expect(messages).toHaveLength(100);
    await until(() => peer.closed === 4504, 'the end at the server');
  });

  test('[CLOSE-1] nothing follows a close frame: no event, no ping, no pong', async () => {
    const { client, peer } = await raw();
    peer.socket.write(textFrame('before'));
    peer.socket.close(4000, 'bye');
    peer.socket.write(textFrame('after'));
    peer.socket.ping();
    client.tcp.write(clientFrame(OPCODE.ping, 'late'));
    await until(() => peer.heard > 0, 'the late ping');
    client.tcp.write(clientFrame(OPCODE.close, Buffer.from([0x0f, 0xa0])));
    await client.ended;
    expect(client.frames.map(({ opcode }) => opcode)).toEqual([OPCODE.text, OPCODE.close]);
    expect(client.rest).toHaveLength(0);
  });

  test('[CLOSE-1] after the client’s close frame nothing but ours is sent', async () => {
    const { client, peer } = await raw();
    client.tcp.write(clientFrame(OPCODE.close, Buffer.from([0x03, 0xe8])));
    await client.until(({ frames }) => frames.length === 1, 'the answer');
    peer.socket.write(textFrame('after'));
    peer.socket.ping();
    await client.ended;
    expect(client.frames.map(({ opcode }) => opcode)).toEqual([OPCODE.close]);
    await until(() => peer.closed === 1000, 'the end at the server');
  });

  const reasons: [string, string][] = [
    ['of 123 bytes', 'x'.repeat(123)],
    ['of 124 bytes', 'x'.repeat(124)],
    ['of two-byte characters', 'ж'.repeat(100)],
    ['of three-byte characters', '€'.repeat(100)],
    ['of four-byte characters', '😀'.repeat(100)],
    ['cut after one of four bytes', `${'x'.repeat(122)}😀`],
    ['cut after two of four bytes', `${'x'.repeat(121)}😀`],
    ['cut after three of four bytes', `${'x'.repeat(120)}😀`],
    ['cut right behind a character', `${'x'.repeat(119)}😀y`],
  ];
  test.each(reasons)(
    '[CLOSE-1] a reason %s is cut at 123 bytes, between two characters',
    async (_, reason) => {
      const { client, peer } = await raw();
      peer.socket.close(4001, reason);
      await client.until(({ frames }) => frames.length === 1, 'the close frame');
      const { payload } = client.frames[0]!;
      expect(payload.readUInt16BE(0)).toBe(4001);
      const text = new TextDecoder('utf-8', { fatal: true }).decode(payload.subarray(2));
      expect(reason.startsWith(text)).toBe(true);
      expect(payload.length - 2).toBeLessThanOrEqual(123);
      // No whole character was cut that had room.
      const next = [...reason.slice(text.length)][0] ?? '';
      if (next !== '') expect(payload.length - 2 + Buffer.byteLength(next)).toBeGreaterThan(123);
      client.destroy();
    },
  );
});

describe('bytes in flight', () => {
  const pingsOf = ({ frames }: RawWebSocket) => frames.filter(({ opcode }) => opcode === OPCODE.ping);

  test('[FLOW-1] a ping follows every 256 KB, and its pong says what was read', async () => {
    const { client, peer } = await raw();
    const frame = textFrame('x'.repeat(64 * 1024));
    for (let i = 0; i < 8; i++) peer.socket.write(frame);
    expect(peer.socket.bytesInFlight).toBe(8 * frame.length);
    await client.until((each) => pingsOf(each).length === 2, 'two pings');
    const [first, second] = pingsOf(client);
    client.tcp.write(clientFrame(OPCODE.pong, first!.payload));
    await until(() => peer.relieved === 1, 'the first pong');
    expect(peer.socket.bytesInFlight).toBe(4 * frame.length);
    client.tcp.write(clientFrame(OPCODE.pong, second!.payload));
    await until(() => peer.relieved === 2, 'the second pong');
    expect(peer.socket.bytesInFlight).toBe(0);
    client.destroy();
  });

  test('[FLOW-1] pongs that were made up count for nothing', async () => {
    const { client, peer } = await raw();
    const frame = textFrame('x'.repeat(64 * 1024));
    for (let i = 0; i < 5; i++) peer.socket.write(frame);
    const before = peer.socket.bytesInFlight;
    const numbers = [Number.NaN, Number.POSITIVE_INFINITY, 1e300, -1].map((value) => {
      const payload = Buffer.alloc(8);
      payload.writeDoubleBE(value);
      return payload;
    });
    for (const payload of [Buffer.alloc(0), Buffer.from('short'), Buffer.alloc(125, 0xff), ...numbers]) {
      client.tcp.write(clientFrame(OPCODE.pong, payload));
    }
    await until(() => peer.heard === 7, 'the pongs');
    expect(peer.socket.bytesInFlight).toBe(before);
    client.destroy();
  });

  test('[FLOW-1] a client that answers without reading is found out by what the kernel does not take', async () => {
    const { client, peer } = await raw();
    client.tcp.pause();
    const frame = textFrame('x'.repeat(256 * 1024));
    let written = 0;
    // It knows at which counts it will be asked, and answers each before it is asked.
    while (peer.tcp.writableLength < 1024 * 1024) {
      peer.socket.write(frame);
      written += frame.length;
      const payload = Buffer.alloc(8);
      payload.writeDoubleBE(written);
      client.tcp.write(clientFrame(OPCODE.pong, payload));
      const { relieved } = peer;
      await until(() => peer.relieved > relieved, 'the pong');
    }
    expect(peer.socket.bytesInFlight).toBeGreaterThanOrEqual(1024 * 1024);
    client.destroy();
  });

  // Answers went into the memory of the server: 20 MB of bad requests took over a gigabyte.
  test('[FLOW-5] a client that does not read its answers is not read, until it reads', async () => {
    const { client, peer } = await raw();
    const answer = textFrame('x'.repeat(64 * 1024));
    peer.onReceived = () => peer.socket.write(answer);
    client.tcp.pause();
    const asked = 200;
    for (let i = 0; i < asked; i++) client.tcp.write(clientFrame(OPCODE.text, 'x'.repeat(64 * 1024)));
    await until(() => peer.tcp.isPaused(), 'the server to stop reading');
    expect(peer.received.length).toBeLessThan(asked);
    // The bound, and what was read before it was noticed.
    expect(peer.tcp.writableLength).toBeLessThan(2 * 1_048_576 + 4 * answer.length);
    // Its session has its own reasons; they do not add up to reading.
    peer.socket.pauseReading();
    peer.socket.resumeReading();
    expect(peer.tcp.isPaused()).toBe(true);
    client.tcp.resume();
    await client.until(
      ({ frames }) => frames.filter(({ opcode }) => opcode === OPCODE.text).length === asked,
      'all answers',
    );
    expect(peer.received).toHaveLength(asked);
    client.destroy();
  });
});

test('counts the bytes of the wire, both ways, with every frame', async () => {
  const { client, peer } = await raw();
  const frames = [textFrame('x'.repeat(70_000)), textFrame('y')];
  for (const frame of frames) peer.socket.write(frame);
  peer.socket.ping();
  const received = [clientFrame(OPCODE.text, 'z'.repeat(1000)), clientFrame(OPCODE.ping, 'p')];
  client.tcp.write(Buffer.concat(received));
  await client.until(({ frames: all }) => all.some(({ opcode }) => opcode === OPCODE.pong), 'the pong');
  const sum = (all: readonly { length: number }[]): number =>
    all.reduce((bytes, { length }) => bytes + length, 0);
  const pingAndPongBytes = 2 + 8 + 2 + 1;
  expect(traffic.bytesSent).toBe(sum(frames) + pingAndPongBytes);
  expect(traffic.bytesReceived).toBe(sum(received));
  client.destroy();
});
