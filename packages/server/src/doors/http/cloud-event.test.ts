import type { MillraceEvent, PublishResult } from '@millrace/protocol';
import { ApiClient, TestServer } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Problem } from '../problem.ts';

let server: TestServer;
let api: ApiClient;
let topics = 0;

const freshTopic = (): string => `cloud.t${++topics}`;
const cloudEvent = (more: object = {}): object => ({
  specversion: '1.0',
  type: 'order.placed',
  source: '/shops/berlin',
  id: 'A-1',
  ...more,
});
const STRUCTURED = { 'content-type': 'application/cloudevents+json; charset=utf-8' };
const BATCH = { 'content-type': 'application/cloudevents-batch+json' };

beforeAll(async () => {
  server = await TestServer.start();
  api = new ApiClient(server.origin, await server.token());
});

afterAll(() => server.close());

async function eventsOf(topic: string): Promise<readonly MillraceEvent[]> {
  const { body } = await api.get<{ events: MillraceEvent[] }>(`/api/v1/topics/${topic}/events`);
  return body.events;
}

describe('structured mode', () => {
  test('[HTTP-2] type, source, subject and data become the event’s', async () => {
    const topic = freshTopic();
    const sent = cloudEvent({ topic, subject: 'order-7', time: '2026-01-01T00:00:00Z', data: { amount: 3 } });
    const { status, body } = await api.post('/api/v1/events', sent, STRUCTURED);
    expect({ status, body }).toMatchObject({ status: 200, body: { topic, offset: 1 } });
    expect(await eventsOf(topic)).toMatchObject([
      { event: 'order.placed', source: '/shops/berlin', key: 'order-7', data: { amount: 3 } },
    ]);
  });

  test('[HTTP-2] source and id together are the idempotency key', async () => {
    const topic = freshTopic();
    const publish = async (more: object) =>
      (await api.post('/api/v1/events', cloudEvent({ topic, ...more }), STRUCTURED)).body;
    expect(await publish({})).toMatchObject({ offset: 1 });
    expect(await publish({ data: 'another' })).toMatchObject({ offset: 1, duplicate: true });
    expect(await publish({ source: '/shops/paris' })).toMatchObject({ offset: 2 });
    expect(await publish({ id: 'x'.repeat(1000) })).toMatchObject({ offset: 3 });
  });

  test('[HTTP-2] without the attribute topic, the query’s counts; without data, it is null', async () => {
    const topic = freshTopic();
    const answer = await api.post(`/api/v1/events?topic=${topic}`, cloudEvent(), STRUCTURED);
    expect(answer).toMatchObject({ status: 200, body: { topic } });
    expect(await eventsOf(topic)).toMatchObject([{ data: null }]);
  });

  test.each([
    ['another version', { specversion: '0.3' }, 400, 'bad-message', '/specversion'],
    ['no type', { type: undefined }, 400, 'bad-message', '/type'],
    ['no id', { id: '' }, 400, 'bad-message', '/id'],
    ['no topic anywhere', { topic: undefined }, 400, 'bad-message', '/topic'],
    ['binary data', { data_base64: 'AA==' }, 501, 'not-supported', undefined],
    ['a pattern as topic', { topic: 'a.*' }, 400, 'bad-topic', undefined],
  ])('[HTTP-1] %s is refused', async (_, more, status, code, path) => {
    const answer = await api.post<Problem>(
      '/api/v1/events',
      cloudEvent({ topic: 'cloud.a', ...more }),
      STRUCTURED,
    );
    expect(answer).toMatchObject({ status, body: { code } });
    expect(answer.body.details?.path).toBe(path);
  });
});

describe('a batch', () => {
  test('[HTTP-2] is answered one by one', async () => {
    const topic = freshTopic();
    const events = [cloudEvent({ topic, id: '1' }), cloudEvent({ id: '2' }), cloudEvent({ topic, id: '3' })];
    const { status, body } = await api.post<{ results: (PublishResult & { error?: Problem })[] }>(
      '/api/v1/events',
      events,
      BATCH,
    );
    expect(status).toBe(207);
    expect(body.results).toMatchObject([
      { offset: 1 },
      { error: { code: 'bad-message', details: { path: '/1/topic' } } },
      { offset: 2 },
    ]);
  });

  test('[HTTP-1] that is no list is refused', async () => {
    expect(await api.post('/api/v1/events', cloudEvent(), BATCH)).toMatchObject({
      status: 400,
      body: { code: 'bad-message' },
    });
  });
});

describe('binary mode', () => {
  const attributes = {
    'ce-specversion': '1.0',
    'ce-type': 'order.placed',
    'ce-source': '/shops',
    'ce-id': 'B-1',
  };

  test('[HTTP-2] the body is the data, and headers are percent-encoded', async () => {
    const topic = freshTopic();
    const headers = { ...attributes, 'ce-topic': topic, 'ce-subject': 'Caf%C3%A9' };
    const answer = await api.post('/api/v1/events', [1, 2], headers);
    expect(answer).toMatchObject({ status: 200, body: { topic } });
    expect(await eventsOf(topic)).toMatchObject([{ event: 'order.placed', key: 'Café', data: [1, 2] }]);
  });

  test('[HTTP-1] a header that is not percent-encoded UTF-8 is refused', async () => {
    const answer = await api.post('/api/v1/events', {}, { ...attributes, 'ce-subject': '%ff' });
    expect(answer).toMatchObject({
      status: 400,
      body: { code: 'bad-message', details: { path: '/subject' } },
    });
  });
});
