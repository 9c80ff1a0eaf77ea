import { DEFAULT_LIMITS, MAX_PUBLISH_BATCH, type PublishResult } from '@millrace/protocol';
import { ApiClient, TestServer } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../clock.ts';
import type { AppendResult, Engine } from '../../engine/engine.ts';
import { createMemoryEngine } from '../../engine/memory-engine.ts';
import type { Problem } from '../problem.ts';

let server: TestServer;
let api: ApiClient;
let topics = 0;

/** A topic that no other test writes to. */
const freshTopic = (): string => `publish.t${++topics}`;
const event = (topic: string, more: object = {}): object => ({ topic, event: 'x', data: { n: 1 }, ...more });
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

beforeAll(async () => {
  server = await TestServer.start();
  api = new ApiClient(server.origin, await server.token());
});

afterAll(() => server.close());

describe('one event', () => {
  test('[HTTP-2] is answered when it is stored, with its place in the log', async () => {
    const topic = freshTopic();
    const { status, body, headers } = await api.post('/api/v1/events', event(topic));
    expect(status).toBe(200);
    expect(headers.get('content-type')).toMatch(/^application\/json/);
    expect(body).toEqual({
      topic,
      id: expect.any(String),
      offset: 1,
      epoch: expect.any(String),
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    const history = await api.get<{ events: object[] }>(`/api/v1/topics/${topic}/events`);
    expect(history.body.events).toEqual([{ type: 'event', ...body, event: 'x', data: { n: 1 } }]);
  });

  test('[HTTP-2] keeps everything that a publisher may say of it', async () => {
    const topic = freshTopic();
    const fields = { source: 'tests', key: 'k', priority: 'high' };
    await api.post('/api/v1/events', event(topic, { ...fields, seal: true, data: null }));
    const { body } = await api.get<{ events: object[]; sealed: boolean }>(`/api/v1/topics/${topic}/events`);
    expect(body).toMatchObject({ sealed: true, events: [{ ...fields, data: null, sealed: true }] });
  });

  test('[HTTP-2] a repeat with the same idempotency key is answered with the first result', async () => {
    const once = event(freshTopic(), { idempotencyKey: 'once' });
    const first = await api.post('/api/v1/events', once);
    const second = await api.post('/api/v1/events', once);
    expect(second).toMatchObject({ status: 200, body: { ...first.body, duplicate: true } });
  });

  test('[HTTP-1] a compare-and-append that fails is 409 with the head', async () => {
    const topic = freshTopic();
    const { body } = await api.post<PublishResult>('/api/v1/events', event(topic));
    const refused = await api.post('/api/v1/events', event(topic, { expectOffset: 7 }));
    expect(refused).toMatchObject({
      status: 409,
      body: { code: 'conflict', details: { position: `${body.epoch}:1` } },
    });
    const accepted = await api.post('/api/v1/events', event(topic, { expectOffset: `${body.epoch}:1` }));
    expect(accepted).toMatchObject({ status: 200, body: { offset: 2 } });
  });

  test('[HTTP-1] a sealed topic and a newer lease are 409', async () => {
    const topic = freshTopic();
    await api.post('/api/v1/events', event(topic, { fence: { name: 'lease', token: 5 } }));
    expect(
      await api.post('/api/v1/events', event(topic, { fence: { name: 'lease', token: 4 } })),
    ).toMatchObject({ status: 409, body: { code: 'fenced' } });
    await api.post('/api/v1/events', event(topic, { seal: true }));
    expect(await api.post('/api/v1/events', event(topic))).toMatchObject({
      status: 409,
      body: { code: 'sealed' },
    });
  });

  test('[HTTP-1] a token that may not publish there is 403, one that is missing 401', async () => {
    const member = new ApiClient(server.origin, await server.token({ roles: ['member'] }));
    expect(await member.post('/api/v1/events', event('chat.a'))).toMatchObject({ status: 200 });
    expect(await member.post('/api/v1/events', event('task.a'))).toMatchObject({
      status: 403,
      body: { code: 'forbidden', details: { topic: 'task.a' } },
    });
    const stranger = await new ApiClient(server.origin).post('/api/v1/events', event('chat.a'));
    expect(stranger).toMatchObject({ status: 401, body: { code: 'unauthorized', retryable: false } });
    expect(stranger.headers.get('www-authenticate')).toMatch(/^Bearer/);
  });
});

describe('many events', () => {
  test('[HTTP-2] are answered one by one, in their order', async () => {
    const topic = freshTopic();
    const events = Array.from({ length: MAX_PUBLISH_BATCH }, (_, n) => event(topic, { data: n }));
    const { status, body } = await api.post<{ results: PublishResult[] }>('/api/v1/events', { events });
    expect(status).toBe(200);
    expect(body.results.map(({ offset }) => offset)).toEqual(events.map((_, n) => n + 1));
  });

  test('[HTTP-2] each succeeds or fails by itself, whatever is wrong with the others', async () => {
    const topic = freshTopic();
    const deep = JSON.parse(nested(DEFAULT_LIMITS.maxJsonDepth)) as unknown;
    const { status, body } = await api.post<{ results: (PublishResult & { error: Problem })[] }>(
      '/api/v1/events',
      {
        events: [
          event(topic),
          event('not a topic'),
          { topic },
          event(topic, { data: deep }),
          'nothing',
          event(topic, { expectOffset: 9 }),
          event(topic, { expectOffset: 'nowhere' }),
          event(topic, { data: 'x'.repeat(DEFAULT_LIMITS.maxMessageBytes) }),
          event(topic, { data: 2 }),
        ],
      },
    );
    expect(status).toBe(207);
    expect(body.results.map(({ offset, error }) => offset ?? error.code)).toEqual([
      1,
      'bad-topic',
      'bad-message',
      'too-deep',
      'bad-message',
      'conflict',
      'bad-position',
      'too-large',
      2,
    ]);
    expect(body.results[2]?.error).toMatchObject({ status: 400, details: { path: '/events/2/event' } });
    expect(body.results[7]?.error).toMatchObject({ status: 413 });
  });

  test('[HTTP-2] may be as deep each as one that comes by itself', async () => {
    const deepest = JSON.parse(nested(DEFAULT_LIMITS.maxJsonDepth - 1)) as unknown;
    const one = await api.post('/api/v1/events', event(freshTopic(), { data: deepest }));
    const many = await api.post('/api/v1/events', { events: [event(freshTopic(), { data: deepest })] });
    expect([one.status, many.status]).toEqual([200, 200]);
  });

  test.each([
    ['no events', [], 400, 'bad-message'],
    ['events that are no list', {}, 400, 'bad-message'],
    ['too many events', Array(MAX_PUBLISH_BATCH + 1).fill(event('a')), 413, 'too-large'],
  ])('[HTTP-1] %s are refused as a whole', async (_, events, status, code) => {
    const answer = await api.post('/api/v1/events', { events });
    expect(answer).toMatchObject({ status, body: { code, details: { path: '/events' } } });
  });
});

describe('bodies that are none', () => {
  test.each<[string, string | Uint8Array<ArrayBuffer>, string]>([
    ['text that is not JSON', 'hello', 'bad-json'],
    ['half an object', '{"topic":"a"', 'bad-json'],
    ['an array', '[{"topic":"a"}]', 'bad-json'],
    ['a number', '1', 'bad-json'],
    ['nothing', '', 'bad-json'],
    ['bad UTF-8', new Uint8Array([0x22, 0xff, 0x22]), 'bad-utf8'],
    ['deep nesting', `{"topic":"a","event":"x","data":${nested(32)}}`, 'too-deep'],
    ['very deep nesting', `{"topic":"a","event":"x","data":${nested(100_000)}}`, 'too-deep'],
    ['a __proto__ key', '{"topic":"a","event":"x","data":{"__proto__":{}}}', 'forbidden-key'],
    ['an event without data', '{"topic":"a","event":"x"}', 'bad-message'],
    ['a control character in a name', '{"topic":"a","event":"x\\u0000","data":1}', 'bad-message'],
    ['a pattern', '{"topic":"a.*","event":"x","data":1}', 'bad-topic'],
    ['a topic that is too long', `{"topic":"${'a'.repeat(256)}","event":"x","data":1}`, 'bad-topic'],
  ])('[HTTP-1] %s is refused with the code that a message would be', async (_, body, code) => {
    expect(await api.post('/api/v1/events', body)).toMatchObject({ status: 400, body: { code } });
  });

  test('[HTTP-1] a body over the limit is 413, and is not read', async () => {
    const body = JSON.stringify({ events: [event('a', { data: 'x'.repeat(20 * 1024 * 1024) })] });
    const answer = await api.post('/api/v1/events', body).catch((error: Error) => error);
    // The server may close the socket before all is sent, which some clients report instead of the answer.
    if (answer instanceof Error) expect(String(answer.cause)).toMatch(/EPIPE|ECONNRESET|closed/);
    else expect(answer).toMatchObject({ status: 413, body: { code: 'too-large' } });
  });

  test('[HTTP-1] a body of another type is 415', async () => {
    const answer = await api.post('/api/v1/events', 'topic=a', { 'content-type': 'text/plain' });
    expect(answer).toMatchObject({ status: 415, body: { code: 'bad-message', status: 415 } });
  });
});

describe('a log that fails', () => {
  const outcomes: [AppendResult, number, string, string | null][] = [
    [{ status: 'failed', code: 'storage-full', message: 'the disk is full' }, 507, 'storage-full', null],
    [{ status: 'failed', code: 'unavailable', message: 'gone' }, 503, 'unavailable', '1'],
    [{ status: 'unknown', message: 'who knows' }, 503, 'unknown', '1'],
  ];

  test.each(outcomes)('[HTTP-1] %j is told as it is', async (outcome, status, code, retryAfter) => {
    const failing = await startOver((request) => request.map(() => outcome));
    try {
      const client = new ApiClient(failing.origin, await failing.token());
      const answer = await client.post('/api/v1/events', event('a'));
      expect(answer).toMatchObject({ status, body: { code, retryable: true } });
      expect(answer.headers.get('retry-after')).toBe(retryAfter);
    } finally {
      await failing.close();
    }
  });

  test('[HTTP-1] what is our fault is 500, and does not say why', async () => {
    const failing = await startOver(() => {
      throw new Error('the secret reason');
    });
    try {
      const client = new ApiClient(failing.origin, await failing.token());
      const { status, body, text } = await client.post('/api/v1/events', event('a'));
      expect({ status, body }).toMatchObject({ status: 500, body: { code: 'internal', retryable: true } });
      expect(text).not.toContain('secret');
    } finally {
      await failing.close();
    }
  });

  function startOver(append: (requests: readonly object[]) => readonly AppendResult[]): Promise<TestServer> {
    const engine: Engine = createMemoryEngine({
      clock: systemClock,
      retention: () => ({}),
      onError: () => {},
      turns: { soon: setImmediate },
    });
    engine.append = async (requests) => append(requests);
    return TestServer.start({ engine });
  }
});
