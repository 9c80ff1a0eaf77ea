import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { clientFrame, OPCODE, RawWebSocket, type TestClient, TestServer, until } from '@millrace/testkit';
import { Packr } from 'msgpackr';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

const RSV1_OF_RAW = 4;
const text = 'The task was taken by agent 7; step 3 of 9 is done, all tests pass. '.repeat(40);
const packr = new Packr({ useRecords: false, mapsAsObjects: true });

let server: TestServer;
let entity = '';
let tests = 0;

beforeAll(async () => {
  server = await TestServer.start();
});

afterAll(() => server.close());

beforeEach(() => {
  entity = `compressed-${++tests}`;
});

const publish = (data: unknown) => server.server.publish('big.a', 'x', data, { entity });

async function raw(offer: string | undefined, path = '/ws', headers: Record<string, string> = {}) {
  const socket = new RawWebSocket(`${server.origin}${path}?token=${await server.token({ entity })}`, {
    headers: { ...headers, ...(offer !== undefined && { 'sec-websocket-extensions': offer }) },
  });
  await socket.until(({ head }) => head !== '', 'the upgrade');
  return socket;
}

function answered({ head }: RawWebSocket): string | undefined {
  return /^sec-websocket-extensions: (.*)$/im.exec(head)?.[1]?.trim();
}

async function subscribed(socket: RawWebSocket): Promise<RawWebSocket> {
  socket.send({ type: 'subscribe', topic: 'big.a' });
  await socket.message('subscribed');
  return socket;
}

const closeCode = ({ frames }: RawWebSocket): number | undefined =>
  frames.find(({ opcode }) => opcode === OPCODE.close)?.payload.readUInt16BE(0);

const sync = { finishFlush: constants.Z_SYNC_FLUSH };
const inflated = (payload: Buffer): string =>
  inflateRawSync(Buffer.concat([payload, Buffer.of(0, 0, 0xff, 0xff)]), sync).toString();
const deflated = (message: string): Buffer => deflateRawSync(message, sync).subarray(0, -4);

describe('agreeing', () => {
  test('[COMP-1] a browser’s offer is accepted, without anything kept between messages', async () => {
    const socket = await raw('permessage-deflate; client_max_window_bits');
    expect(answered(socket)).toBe(
      'permessage-deflate; server_no_context_takeover; client_no_context_takeover',
    );
    socket.destroy();
  });

  test.each([
    ['nothing', undefined],
    ['what cannot be met', 'permessage-deflate; server_max_window_bits=8'],
    ['nonsense', ';;=,"'],
  ])('[COMP-1] a client that offers %s gets no compressed frame', async (_, offer) => {
    const socket = await subscribed(await raw(offer));
    expect(answered(socket)).toBeUndefined();
    await publish({ text });
    const event = await socket.message('event');
    expect(event.data).toEqual({ text });
    expect(socket.frames.every(({ rsv }) => rsv === 0)).toBe(true);
    socket.destroy();
  });

  test('[COMP-1] with `compression.level: none` nothing is agreed', async () => {
    const plain = await TestServer.start({ compression: { level: 'none' } });
    const client = await plain.connect('/ws', {}, { perMessageDeflate: true });
    expect(client.socket.extensions).toBe('');
    client.close();
    await plain.close();
  });
});

describe('sending', () => {
  const offer = 'permessage-deflate; client_max_window_bits';

  test('[COMP-2] an event is the same compressed bytes for all who agreed, and plain for the others', async () => {
    const agreed = [await subscribed(await raw(offer)), await subscribed(await raw(offer))];
    const plain = await subscribed(await raw(undefined));
    await publish({ text });
    const event = await plain.message('event');
    const frames = [];
    for (const socket of agreed) {
      await socket.until(({ frames }) => frames.some(({ rsv }) => rsv !== 0), 'a compressed frame');
      frames.push(socket.frames.find(({ rsv }) => rsv !== 0)!);
    }
    const [first, second] = frames;
    expect(first).toMatchObject({ fin: true, rsv: RSV1_OF_RAW, opcode: OPCODE.text, masked: false });
    expect(first!.payload.equals(second!.payload)).toBe(true);
    expect(JSON.parse(inflated(first!.payload))).toEqual(event);
    for (const socket of [...agreed, plain]) socket.destroy();
  });

  test('[COMP-3] short messages are not compressed', async () => {
    const socket = await subscribed(await raw(offer));
    await publish({ text: 'short' });
    expect(await socket.message('event')).toMatchObject({ data: { text: 'short' } });
    expect(socket.frames.every(({ rsv }) => rsv === 0)).toBe(true);
    socket.destroy();
  });

  test('[COMP-2] a replay from memory and from the log says the same as live delivery', async () => {
    const live = await server.connect('/ws', { entity }, { perMessageDeflate: true });
    live.send({ type: 'subscribe', topic: 'big.a' });
    await live.next('subscribed');
    for (let i = 0; i < 20; i++) await publish({ i, text });
    const expected = await live.take('event', 20);
    for (const since of ['earliest', { last: 20 }]) {
      const late = await server.connect('/ws', { entity }, { perMessageDeflate: true });
      late.send({ type: 'subscribe', topic: 'big.a', since });
      expect(await late.take('event', 20)).toEqual(expected);
      late.close();
    }
    live.close();
  });
});

describe('ordinary clients', () => {
  const flavours: [string, string, string[]][] = [
    ['JSON', '/ws', []],
    ['MessagePack', '/ws', ['millrace.v1.msgpack']],
    ['the bare door', '/ws/big/a', []],
  ];
  test.each(flavours)(
    '[COMP-2] `ws`, %s: large and small, in order, both ways',
    async (_, path, subprotocols) => {
      const client = await server.connect<Record<string, unknown>>(
        path,
        { entity },
        {
          // It compresses what it sends, too.
          perMessageDeflate: { threshold: 0 },
          subprotocols,
          decodeBinary: (data) => packr.unpack(data) as object,
        },
      );
      expect(client.socket.extensions).toBe('permessage-deflate');
      const send = (message: object): void => {
        if (subprotocols.length === 0) client.send(message);
        else client.socket.send(packr.pack(message));
      };
      if (path === '/ws') {
        send({ type: 'subscribe', topic: 'big.a' });
        await client.next('subscribed');
      }
      for (let i = 0; i < 10; i++) {
        send({
          type: 'publish',
          topic: 'big.a',
          event: 'x',
          data: { i, text: i % 2 === 0 ? text : 'short' },
        });
      }
      const events = path === '/ws' ? await client.take('event', 10) : await client.take('x', 10);
      expect(events.map((event) => (event.data as { i: number } | undefined)?.i ?? event.i)).toEqual([
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
      ]);
      client.close();
    },
  );

  test('[COMP-2] the WebSocket of Node itself', async () => {
    const socket = new WebSocket(
      `${server.origin.replace('http', 'ws')}/ws?token=${await server.token({ entity })}`,
    );
    const messages: Record<string, unknown>[] = [];
    socket.addEventListener('message', ({ data }) =>
      messages.push(JSON.parse(String(data)) as object as never),
    );
    const of = (type: string) => messages.filter((message) => message.type === type);
    await until(() => of('welcome').length === 1, 'the welcome');
    expect(socket.extensions).toContain('permessage-deflate');
    socket.send(JSON.stringify({ type: 'subscribe', topic: 'big.a' }));
    await until(() => of('subscribed').length === 1, 'the subscription');
    for (let i = 0; i < 10; i++) await publish({ i, text });
    await until(() => of('event').length === 10, 'the events');
    expect(of('event').map(({ data }) => data)).toEqual(Array.from({ length: 10 }, (_, i) => ({ i, text })));
    socket.close();
  });
});

describe('what a client compresses', () => {
  const offer = 'permessage-deflate';
  /** Somebody else of the same entity, who must notice nothing. */
  let bystander: TestClient;

  beforeEach(async () => {
    bystander = await server.connect('/ws', { entity, sub: 'bystander' });
    bystander.send({ type: 'subscribe', topic: 'big.a' });
    await bystander.next('subscribed');
  });

  afterEach(async () => {
    await publish({ still: 'here' });
    expect(await bystander.next('event')).toMatchObject({ data: { still: 'here' } });
    bystander.close();
  });

  const sendDeflated = (socket: RawWebSocket, payload: Buffer): void => {
    socket.tcp.write(clientFrame(0x40 | OPCODE.text, payload));
  };

  test('[COMP-4] may come in fragments, with a final block, or empty', async () => {
    const socket = await raw(offer);
    const ping = deflated('{"type":"ping","id":1}');
    socket.tcp.write(clientFrame(0x40 | OPCODE.text, ping.subarray(0, 5), { fin: false }));
    socket.tcp.write(clientFrame(OPCODE.ping, 'between'));
    socket.tcp.write(clientFrame(OPCODE.continuation, ping.subarray(5, 9), { fin: false }));
    socket.tcp.write(clientFrame(OPCODE.continuation, ping.subarray(9)));
    expect(await socket.message('pong')).toMatchObject({ id: 1 });
    sendDeflated(socket, deflateRawSync('{"type":"ping","id":2}'));
    await socket.message('pong', ({ id }) => id === 2);
    sendDeflated(socket, Buffer.of(0));
    expect(await socket.message('error')).toMatchObject({ code: 'bad-json' });
    // Compressed and plain ones in one write stay in order.
    socket.tcp.write(
      Buffer.concat(
        [3, 4, 5, 6].map((id) => {
          const json = `{"type":"ping","id":${id}}`;
          return id % 2 === 0
            ? clientFrame(OPCODE.text, json)
            : clientFrame(0x40 | OPCODE.text, deflated(json));
        }),
      ),
    );
    await socket.message('pong', ({ id }) => id === 6);
    const ids = socket.messages.filter(({ type }) => type === 'pong').map(({ id }) => id);
    expect(ids).toEqual([1, 2, 3, 4, 5, 6]);
    socket.destroy();
  });

  test('[COMP-4] a message of exactly `maxMessageBytes` is taken, one byte more closes with 1009', async () => {
    const socket = await raw(offer);
    const sized = (bytes: number): string => {
      const head = '{"type":"ping","id":"size","x":"';
      return `${head}${'x'.repeat(bytes - head.length - 2)}"}`;
    };
    sendDeflated(socket, deflated(sized(64_000)));
    expect(await socket.message('pong')).toMatchObject({ id: 'size' });
    sendDeflated(socket, deflated(sized(64_001)));
    await socket.until((each) => closeCode(each) !== undefined, 'a close frame');
    expect(closeCode(socket)).toBe(1009);
    socket.destroy();
  });

  test('[COMP-4] what is no deflated data closes with 1007', async () => {
    const socket = await raw(offer);
    sendDeflated(socket, Buffer.of(0xff, 0xff, 0xff, 0xff));
    await socket.until((each) => closeCode(each) !== undefined, 'a close frame');
    expect(closeCode(socket)).toBe(1007);
    socket.destroy();
  });

  test('[COMP-1] a compressed frame that was not agreed on closes with 1002', async () => {
    const socket = await raw(undefined);
    sendDeflated(socket, deflated('{"type":"ping"}'));
    await socket.until((each) => closeCode(each) !== undefined, 'a close frame');
    expect(closeCode(socket)).toBe(1002);
    socket.destroy();
  });

  test('[COMP-4] one that goes while its message is inflated disturbs nobody', async () => {
    const socket = await raw(offer);
    sendDeflated(socket, deflated(text));
    socket.tcp.resetAndDestroy();
    await socket.ended;
  });
});
