import { clientFrame, OPCODE, RawWebSocket, type TestClient, TestServer } from '@millrace/testkit';
import { Packr } from 'msgpackr';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

let server: TestServer;
/** Somebody else's connection, which must notice nothing. */
let bystander: TestClient;
let client: TestClient;
let entity = '';
let tests = 0;

beforeAll(async () => {
  server = await TestServer.start();
});

afterAll(() => server.close());

beforeEach(async () => {
  entity = `bad-input-${++tests}`;
  bystander = await server.connect('/ws', { entity, sub: 'bystander' });
  bystander.send({ type: 'subscribe', topic: '*' });
  await bystander.next('subscribed');
  client = await server.connect('/ws', { entity });
  await client.next('welcome');
});

/** The connection lives on, whole and in order, and so does the bystander's. */
afterEach(async () => {
  for (const each of [client, bystander]) {
    if (each.socket.readyState !== each.socket.OPEN) continue;
    each.send({ type: 'ping', id: 'alive' });
    expect(await each.next('pong')).toMatchObject({ id: 'alive' });
  }
  await server.server.publish('undisturbed.a', 'x', { still: 'here' }, { entity });
  expect(await bystander.next('event')).toMatchObject({ topic: 'undisturbed.a', data: { still: 'here' } });
  expect(bystander.messages.filter(({ type }) => type === 'error' || type === 'dropped')).toEqual([]);
  client.close();
  bystander.close();
});

const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

describe('text that is no message', () => {
  const wrong: [string, string | Buffer, object][] = [
    ['text that is not JSON', 'hello', { code: 'bad-json' }],
    ['an empty message', '', { code: 'bad-json' }],
    ['half an object', '{"type":"ping"', { code: 'bad-json' }],
    ['two objects', '{"type":"ping"}{"type":"ping"}', { code: 'bad-json' }],
    ['an array', '[{"type":"ping"}]', { code: 'bad-json' }],
    ['a number', '42', { code: 'bad-json' }],
    ['null', 'null', { code: 'bad-json' }],
    ['a byte order mark', '\ufeff{"type":"ping"}', { code: 'bad-json' }],
    ['a control character in a string', '{"type":"ping","id":"a\u0001b"}', { code: 'bad-json' }],
    ['bad UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), { code: 'bad-utf8' }],
    ['an overlong encoding', Buffer.from([0x22, 0xc0, 0xaf, 0x22]), { code: 'bad-utf8' }],
    ['a surrogate in UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), { code: 'bad-utf8' }],
    ['a cut character', Buffer.from([0x22, 0xf0, 0x9f, 0x98, 0x22]), { code: 'bad-utf8' }],
    ['deep nesting', `{"type":"ping","x":${nested(32)}}`, { code: 'too-deep' }],
    ['very deep nesting', `{"type":"ping","x":${nested(30_000)}}`, { code: 'too-deep' }],
    [
      'the key __proto__',
      '{"type":"publish","id":1,"topic":"a","event":"x","data":{"__proto__":{}}}',
      { code: 'forbidden-key' },
    ],
    ['the key __proto__ on top', '{"__proto__":{"type":"ping"}}', { code: 'forbidden-key' }],
    [
      'the key __proto__ in a list, escaped',
      '{"type":"ping","x":[{"\\u005f_proto__":1}]}',
      { code: 'forbidden-key' },
    ],
  ];

  test.each(wrong)('[MSG-2] %s is answered with its code', async (_, text, expected) => {
    client.socket.send(text, { binary: false });
    expect(await client.next()).toMatchObject({
      type: 'error',
      retryable: false,
      message: expect.any(String),
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
      ...expected,
    });
  });

  test('[MSG-2] a binary frame at a JSON session is answered with `bad-message`', async () => {
    client.socket.send(Buffer.from('{"type":"ping","id":1}'), { binary: true });
    expect(await client.next()).toMatchObject({ type: 'error', code: 'bad-message' });
  });

  test('[MSG-2] nesting to the limit is accepted', async () => {
    client.socket.send(`{"type":"publish","id":1,"topic":"deep","event":"x","data":${nested(31)}}`);
    expect(await client.next('ok')).toMatchObject({ id: 1 });
    expect(await bystander.next('event')).toMatchObject({ topic: 'deep' });
  });

  test('[MSG-2] no answer quotes what came, which may hold a token', async () => {
    client.socket.send('{"type":"auth","token":"very-secret" oops');
    await client.next('error');
    expect(client.texts.join()).not.toContain('very-secret');
  });
});

describe('messages of the wrong shape', () => {
  const wrong: [string, object, object][] = [
    ['no type', { id: 1 }, { code: 'bad-message' }],
    ['a type that is no string', { type: 1 }, { code: 'bad-message' }],
    ['an unknown type', { type: 'dance', id: 1 }, { id: 1, code: 'unknown-type' }],
    ['a type from the prototype', { type: 'constructor' }, { code: 'unknown-type' }],
    ['a server’s type', { type: 'event', id: 1 }, { id: 1, code: 'unknown-type' }],
    ['no topic', { type: 'subscribe', id: 1 }, { id: 1, code: 'bad-message' }],
    [
      'a topic that is no string',
      { type: 'subscribe', id: 1, topic: { a: 1 } },
      { code: 'bad-message', details: { path: '/topic' } },
    ],
    [
      'an empty list of topics',
      { type: 'subscribe', id: 1, topics: [] },
      { code: 'bad-message', details: { path: '/topics' } },
    ],
    [
      'no data',
      { type: 'publish', id: 1, topic: 'a', event: 'x' },
      { code: 'bad-message', details: { path: '/data' } },
    ],
    [
      'an unknown priority',
      { type: 'publish', id: 1, topic: 'a', event: 'x', data: 1, priority: 'urgent' },
      { code: 'bad-message', details: { path: '/priority' } },
    ],
    [
      'a negative offset',
      { type: 'publish', id: 1, topic: 'a', event: 'x', data: 1, expectOffset: -1 },
      { code: 'bad-message' },
    ],
    [
      'an id that is an object',
      { type: 'ping', id: { a: 1 } },
      { code: 'bad-message', details: { path: '/id' } },
    ],
    ['a since of another shape', { type: 'subscribe', id: 1, topic: 'a', since: 7 }, { code: 'bad-message' }],
    [
      'a reserved call',
      { type: 'call', id: 1, method: 'presence.join', params: {} },
      { id: 1, code: 'unknown-method' },
    ],
    [
      'an ack that nothing was subscribed for',
      { type: 'ack', id: 1, topic: 'a', offset: 1, consumer: 'c' },
      { id: 1, code: 'not-subscribed' },
    ],
  ];

  test.each(wrong)('[MSG-1] %s: the answer says the code and where', async (_, message, expected) => {
    client.send(message);
    expect(await client.next()).toMatchObject({ type: 'error', ...expected });
  });

  test('[MSG-3] fields that the server does not know are ignored', async () => {
    client.send({ type: 'ping', id: 1, colour: 'blue', nested: { a: [1] } });
    expect(await client.next()).toMatchObject({ type: 'pong', id: 1 });
  });

  test('[MSG-4] the id of a message, a string or a number, stands in its answer of every kind', async () => {
    const exchanges: [object, string][] = [
      [{ type: 'subscribe', topic: 'ids.a' }, 'subscribed'],
      [{ type: 'publish', topic: 'ids.b', event: 'x', data: 1 }, 'ok'],
      [{ type: 'unsubscribe', topic: 'ids.a' }, 'unsubscribed'],
      [{ type: 'unsubscribe', topic: 'ids.a' }, 'error'],
      [{ type: 'ping' }, 'pong'],
      [{ type: 'nonsense' }, 'error'],
    ];
    for (const id of ['a string', 0, -7, 2 ** 40, '']) {
      for (const [message, answer] of exchanges) {
        client.send({ ...message, id });
        expect(await client.next()).toMatchObject({ type: answer, id });
      }
    }
  });

  test('[MSG-4] without an id the answer has none', async () => {
    client.send({ type: 'ping' });
    expect(await client.next()).not.toHaveProperty('id');
    client.send({ type: 'nonsense' });
    expect(await client.next()).not.toHaveProperty('id');
  });

  test('[MSG-5] an error says its code, what happened, whether to try again, and when', async () => {
    client.send({ type: 'publish', id: 'e', topic: 'a', event: 7, data: 1 });
    const error = await client.next('error');
    expect(Object.keys(error).sort()).toEqual(
      ['code', 'details', 'id', 'message', 'retryable', 'timestamp', 'type'].sort(),
    );
    expect(error.message).toContain('/event');
    expect(Date.parse(error.timestamp)).not.toBeNaN();
  });

  const badNames: [string, string][] = [
    ['an empty name', ''],
    ['a name of 256 characters', 'n'.repeat(256)],
    ['a line break', 'a\nb'],
    ['a null character', 'a\u0000b'],
    ['a C1 control character', 'a\u0085b'],
    ['half a surrogate pair', 'a\ud83d'],
  ];
  test.each(badNames)('[MSG-6] %s is refused as event, key, source and idempotency key', async (_, name) => {
    for (const field of ['event', 'key', 'source', 'idempotencyKey']) {
      client.send({ type: 'publish', id: 1, topic: 'names', event: 'x', data: 1, [field]: name });
      expect(await client.next()).toMatchObject({ code: 'bad-message', details: { path: `/${field}` } });
    }
  });

  test('[MSG-6] names may hold any other character, and arrive as they were sent', async () => {
    const name = 'ж"\\/<>&\u2028😀 x';
    client.send({ type: 'publish', id: 1, topic: 'names', event: name, data: name, key: name, source: name });
    await client.next('ok');
    expect(await bystander.next('event')).toMatchObject({ event: name, data: name, key: name, source: name });
  });

  const badTopics: [string, string][] = [
    ['empty', ''],
    ['an empty segment', 'a..b'],
    ['a dot at the end', 'a.'],
    ['a space', 'a b'],
    ['a slash', 'a/b'],
    ['a control character', 'a\u0001'],
    ['a letter beyond ASCII', 'é'],
    ['256 bytes', 'a'.repeat(256)],
    ['half a wildcard', 'a.b*'],
  ];
  test.each(badTopics)(
    '[TOPIC-1] a topic with %s is `bad-topic` to subscribe and publish',
    async (_, topic) => {
      client.send({ type: 'subscribe', id: 1, topic });
      expect(await client.next()).toMatchObject({ type: 'error', id: 1, code: 'bad-topic' });
      client.send({ type: 'publish', id: 2, topic, event: 'x', data: 1 });
      expect(await client.next()).toMatchObject({ type: 'error', id: 2, code: 'bad-topic' });
    },
  );

  test('[TOPIC-4] publishing to a pattern is `bad-topic`', async () => {
    client.send({ type: 'publish', id: 1, topic: 'a.*', event: 'x', data: 1 });
    expect(await client.next()).toMatchObject({ id: 1, code: 'bad-topic' });
  });
});

describe('frames that break the framing', () => {
  async function raw(path = '/ws'): Promise<RawWebSocket> {
    const url = `${server.origin}${path}?token=${await server.token({ entity })}`;
    const socket = new RawWebSocket(url);
    await socket.message('welcome');
    return socket;
  }

  function closeCode({ frames }: RawWebSocket): number | undefined {
    const frame = frames.find(({ opcode }) => opcode === OPCODE.close);
    return frame?.payload.readUInt16BE(0);
  }

  test('[LIM-1] a message over `maxMessageBytes` closes with 1009, one of exactly that size does not', async () => {
    const { limits } = await server.connect('/ws', { entity }).then((other) => other.next('welcome'));
    const sized = (bytes: number): string => {
      const head = '{"type":"ping","id":"size","x":"';
      return `${head}${'x'.repeat(bytes - head.length - 2)}"}`;
    };
    client.socket.send(sized(limits.maxMessageBytes));
    expect(await client.next('pong')).toMatchObject({ id: 'size' });
    client.socket.send(sized(limits.maxMessageBytes + 1));
    expect(await client.closed).toMatchObject({ code: 1009 });
  });

  test('[LIM-1] fragments that add up to more close with 1009, too', async () => {
    const socket = await raw();
    const part = 'x'.repeat(30_000);
    socket.tcp.write(clientFrame(OPCODE.text, part, { fin: false }));
    socket.tcp.write(clientFrame(OPCODE.continuation, part, { fin: false }));
    socket.tcp.write(clientFrame(OPCODE.continuation, part, { fin: true }));
    await socket.until((each) => closeCode(each) !== undefined, 'a close frame');
    expect(closeCode(socket)).toBe(1009);
    socket.destroy();
  });

  const broken: [string, Buffer][] = [
    ['an unmasked frame', clientFrame(OPCODE.text, '{"type":"ping"}', { masked: false })],
    ['a reserved opcode', clientFrame(0x3, 'x')],
    ['a reserved bit', clientFrame(0x41, 'x')],
    ['a continuation of nothing', clientFrame(OPCODE.continuation, 'x')],
    ['a fragmented ping', clientFrame(OPCODE.ping, 'x', { fin: false })],
    ['a ping of 126 bytes', clientFrame(OPCODE.ping, 'x'.repeat(126))],
    ['a close frame with half a number', clientFrame(OPCODE.close, 'x')],
    ['a close number that no peer may send', clientFrame(OPCODE.close, Buffer.from([0x03, 0xed]))],
  ];
  test.each(broken)(
    '[CONN-1] %s closes the connection with 1002 (RFC 6455), and it alone',
    async (_, bytes) => {
      const socket = await raw();
      socket.tcp.write(bytes);
      await socket.until((each) => closeCode(each) !== undefined, 'a close frame');
      expect(closeCode(socket)).toBe(1002);
      socket.destroy();
    },
  );

  test('[CONN-1] a client that vanishes in the middle of a frame disturbs nobody', async () => {
    const socket = await raw();
    socket.tcp.write(clientFrame(OPCODE.text, '{"type":"ping"}').subarray(0, 9));
    socket.tcp.resetAndDestroy();
    await socket.ended;
  });
});

describe('MessagePack', () => {
  const packr = new Packr({ useRecords: false });
  let binary: TestClient;
  let answers: Record<string, unknown>[];

  beforeEach(async () => {
    binary = await server.connect('/ws', { entity }, { subprotocols: ['millrace.v1.msgpack'] });
    answers = [];
    binary.socket.on('message', (data: Buffer) => answers.push(packr.unpack(data) as (typeof answers)[0]));
  });

  afterEach(() => binary.close());

  async function answerTo(bytes: Uint8Array, isBinary = true): Promise<Record<string, unknown>> {
    binary.socket.send(bytes, { binary: isBinary });
    binary.socket.send(packr.pack({ type: 'ping', id: 'after' }));
    await expect.poll(() => answers.some(({ type }) => type === 'pong'), { timeout: 10_000 }).toBe(true);
    return answers.find(({ type }) => type !== 'welcome') ?? {};
  }

  const mapOf = (...parts: unknown[]): Buffer =>
    Buffer.concat([Buffer.from([0x80 | (parts.length / 2)]), ...parts.map((part) => packr.pack(part))]);
  const nestedBytes = (depth: number): Buffer =>
    Buffer.concat([mapOf('x', null).subarray(0, -1), Buffer.alloc(depth, 0x91), Buffer.from([0xc0])]);

  const wrong: [string, () => Uint8Array, string][] = [
    ['bytes that are not MessagePack', () => Buffer.from([0xc1]), 'bad-json'],
    ['half a map', () => packr.pack({ type: 'ping' }).subarray(0, 5), 'bad-json'],
    ['an empty frame', () => Buffer.alloc(0), 'bad-json'],
    ['a list', () => packr.pack([1, 2]), 'bad-json'],
    ['an unknown type', () => packr.pack({ type: 'dance' }), 'unknown-type'],
    ['deep nesting', () => nestedBytes(40), 'too-deep'],
    ['very deep nesting', () => nestedBytes(60_000), 'too-deep'],
    ['the key __proto__', () => mapOf('type', 'ping', '__proto__', 1), 'forbidden-key'],
    ['bad UTF-8', () => Buffer.concat([mapOf('type', 'x').subarray(0, -1), Buffer.from([0xff])]), 'bad-utf8'],
    ['binary data', () => packr.pack({ type: 'ping', x: Buffer.from('x') }), 'bad-message'],
    ['a date', () => packr.pack({ type: 'ping', x: new Date() }), 'bad-message'],
    ['data that is nothing', () => packr.pack({ type: 'ping', x: undefined }), 'bad-message'],
  ];
  test.each(wrong)('[MSG-2] %s is answered with its code', async (_, bytes, code) => {
    expect(await answerTo(bytes())).toMatchObject({ type: 'error', code });
  });

  test('[MSG-2] a text frame at a MessagePack session is answered with `bad-message`', async () => {
    expect(await answerTo(Buffer.from('{"type":"ping"}'), false)).toMatchObject({ code: 'bad-message' });
  });
});
