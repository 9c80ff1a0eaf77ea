import { constants, deflateRawSync } from 'node:zlib';
import { clientFrame, OPCODE, RawWebSocket, type TestClient, TestServer } from '@millrace/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';

/* Few bytes that become many, or one message that becomes much work: refused, while others go on. */

/** Bombs thrown at once. */
const CLIENTS = 20;
/** If one bomb went off in each client, it would be more than a gigabyte. */
const MAX_GROWTH_BYTES = 128 * 1024 * 1024;
const RSV1 = 0x40;

let server: TestServer;
let bystander: TestClient;
let entity = '';
let tests = 0;
let rssBefore = 0;

beforeAll(async () => {
  server = await TestServer.start();
});

afterAll(() => server.close());

beforeEach(async () => {
  entity = `bombs-${++tests}`;
  bystander = await server.connect('/ws', { entity, sub: 'bystander' });
  bystander.send({ type: 'subscribe', topic: 'quiet.a' });
  await bystander.next('subscribed');
  rssBefore = process.memoryUsage.rss();
});

afterEach(() => {
  expect(process.memoryUsage.rss() - rssBefore).toBeLessThan(MAX_GROWTH_BYTES);
  bystander.close();
});

/** Events go to the bystander all the while. */
async function undisturbed(throwing: () => Promise<void>): Promise<void> {
  let over = false;
  const thrown = throwing().finally(() => {
    over = true;
  });
  // Awaited below, when the bystander has had its last event.
  thrown.catch(() => {});
  let events = 0;
  while (!over) {
    await server.server.publish('quiet.a', 'x', { n: ++events }, { entity });
    expect(await bystander.next('event')).toMatchObject({ data: { n: events } });
  }
  await thrown;
  await server.server.publish('quiet.a', 'x', { n: 'last' }, { entity });
  expect(await bystander.next('event')).toMatchObject({ data: { n: 'last' } });
}

async function raw(headers: Record<string, string> = {}): Promise<RawWebSocket> {
  const socket = new RawWebSocket(`${server.origin}/ws?token=${await server.token({ entity })}`, { headers });
  await socket.until(({ frames }) => frames.length > 0, 'the welcome');
  return socket;
}

const agreeing = { 'sec-websocket-extensions': 'permessage-deflate' };

/** Each of many clients sends it, and is closed with the number. */
async function closes(code: number, headers: Record<string, string>, bytes: Buffer): Promise<void> {
  const sockets = await Promise.all(Array.from({ length: CLIENTS }, () => raw(headers)));
  for (const { tcp } of sockets) tcp.write(bytes);
  for (const socket of sockets) {
    await socket.until(
      ({ frames }) => frames.some(({ opcode }) => opcode === OPCODE.close),
      'the close frame',
    );
    const frame = socket.frames.find(({ opcode }) => opcode === OPCODE.close);
    expect(frame?.payload.readUInt16BE(0)).toBe(code);
    socket.destroy();
  }
}

const deflate = (bytes: Buffer): Buffer =>
  deflateRawSync(bytes, { level: 9, finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);

test('[LIM-1] 60 MB that come as 60 KB close with 1009', async () => {
  const bomb = deflate(Buffer.alloc(60_000_000));
  expect(bomb.length).toBeLessThan(60_000);
  await undisturbed(() => closes(1009, agreeing, clientFrame(RSV1 | OPCODE.text, bomb)));
});

test('[LIM-1] the same in fragments', async () => {
  const bomb = deflate(Buffer.alloc(60_000_000));
  const part = (i: number): Buffer => bomb.subarray(i * 1000, (i + 1) * 1000);
  const frames = [clientFrame(RSV1 | OPCODE.text, part(0), { fin: false })];
  for (let i = 1; i * 1000 < bomb.length; i++) {
    frames.push(clientFrame(OPCODE.continuation, part(i), { fin: (i + 1) * 1000 >= bomb.length }));
  }
  await undisturbed(() => closes(1009, agreeing, Buffer.concat(frames)));
});

test('[LIM-1] a key of 1 MB closes with 1009, compressed or not', async () => {
  const json = Buffer.from(`{"type":"ping","${'k'.repeat(1_000_000)}":1}`);
  await undisturbed(() => closes(1009, {}, clientFrame(OPCODE.text, json)));
  await undisturbed(() => closes(1009, agreeing, clientFrame(RSV1 | OPCODE.text, deflate(json))));
});

test('[CONN-7] 128 fragments are a message, 100,000 close with 1008', async () => {
  const fragments = (count: number): Buffer => {
    const text = '{"type":"ping","id":1}'.padEnd(count);
    return Buffer.concat(
      Array.from({ length: count }, (_, i) =>
        clientFrame(i === 0 ? OPCODE.text : OPCODE.continuation, text[i] ?? '', { fin: i === count - 1 }),
      ),
    );
  };
  const socket = await raw();
  socket.tcp.write(fragments(128));
  expect(await socket.message('pong')).toMatchObject({ id: 1 });
  socket.destroy();
  // Empty ones do not count as bytes.
  const empty = clientFrame(OPCODE.continuation, '', { fin: false });
  const many = Buffer.concat([
    clientFrame(OPCODE.text, '', { fin: false }),
    ...Array.from({ length: 100_000 }, () => empty),
  ]);
  await undisturbed(() => closes(1008, {}, fragments(129)));
  await undisturbed(() => closes(1008, {}, many));
  await undisturbed(() => closes(1008, agreeing, many));
});

test('[CONN-7] a frame that comes byte by byte closes with 1008', async () => {
  const socket = await raw();
  socket.tcp.setNoDelay(true);
  const frame = clientFrame(OPCODE.text, 'x'.repeat(60_000));
  let sent = 0;
  const closed = (): boolean => socket.frames.some(({ opcode }) => opcode === OPCODE.close);
  await undisturbed(async () => {
    while (!closed() && sent < frame.length) {
      await new Promise<void>((resolve) => socket.tcp.write(frame.subarray(sent, ++sent), () => resolve()));
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  });
  expect(socket.frames.at(-1)?.payload.readUInt16BE(0)).toBe(1008);
  socket.destroy();
});

/** Each of many clients sends it and is answered with the code; its connection lives on. */
async function answers(code: string, bytes: Buffer, subprotocol?: string): Promise<void> {
  const packed = subprotocol !== undefined;
  const sockets = await Promise.all(
    Array.from({ length: CLIENTS }, () => raw(packed ? { 'sec-websocket-protocol': subprotocol } : {})),
  );
  for (const { tcp } of sockets) {
    tcp.write(clientFrame(packed ? OPCODE.binary : OPCODE.text, bytes));
    tcp.write(clientFrame(OPCODE.ping, 'alive?'));
  }
  for (const socket of sockets) {
    await socket.until(({ frames }) => frames.some(({ opcode }) => opcode === OPCODE.pong), 'the pong');
    await socket.until(({ frames }) => frames.some(({ payload }) => payload.includes(code)), `"${code}"`);
    socket.destroy();
  }
}

test('[MSG-2] JSON of depth 10,000 is answered with `too-deep`, and half of it with `bad-json`', async () => {
  const open = '{"a":'.repeat(10_000);
  await undisturbed(() =>
    answers('too-deep', Buffer.from(`{"type":"ping","x":${open}1${'}'.repeat(10_000)}}`)),
  );
  await undisturbed(() => answers('bad-json', Buffer.from(`{"type":"ping","x":${'['.repeat(60_000)}`)));
});

const bombs: [string, number[], string][] = [
  ['a text of 4 GB', [0x81, 0xa4, 0x74, 0x79, 0x70, 0x65, 0xdb, 0xff, 0xff, 0xff, 0xff], 'bad-json'],
  ['a list of 4,294,967,295', [0x81, 0xa1, 0x61, 0xdd, 0xff, 0xff, 0xff, 0xff], 'bad-json'],
  ['a map of 4,294,967,295', [0xdf, 0xff, 0xff, 0xff, 0xff], 'bad-json'],
  ['binary data of 4 GB', [0x81, 0xa1, 0x61, 0xc6, 0xff, 0xff, 0xff, 0xff], 'bad-message'],
  ['an extension of 4 GB', [0x81, 0xa1, 0x61, 0xc9, 0xff, 0xff, 0xff, 0xff, 0x01], 'bad-message'],
  [
    'lists of 4,294,967,295 in each other',
    [0x81, 0xa1, 0x61, ...Array.from({ length: 10_000 }, () => [0xdd, 0xff, 0xff, 0xff, 0xff]).flat()],
    'too-deep',
  ],
  ['maps of one in each other', Array.from({ length: 10_000 }, () => [0x81, 0xa1, 0x61]).flat(), 'too-deep'],
];
test.each(bombs)('[MSG-2] MessagePack that declares %s is answered with its code', async (_, bytes, code) => {
  await undisturbed(() => answers(code, Buffer.from(bytes), 'millrace.v1.msgpack'));
});
