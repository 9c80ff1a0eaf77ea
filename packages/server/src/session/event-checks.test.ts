import { ApiClient, type TestClient, TestServer } from '@millrace/testkit';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

let server: TestServer;
let client: TestClient;
const logged: object[] = [];

beforeAll(async () => {
  server = await TestServer.start({
    namespaces: {
      strict: { unknownEvents: 'refuse' },
      curious: { unknownEvents: 'warn' },
      '*': { unknownEvents: 'allow' },
    },
    logger: pino({ level: 'warn' }, { write: (line) => logged.push(JSON.parse(line) as object) }),
  });
});

afterAll(() => server.close());

beforeEach(async () => {
  client = await server.connect('/ws');
  await client.next('welcome');
  return () => client.close();
});

const PROGRESS = { task_id: 'a', progress: 40, message: 'Compiling' };

function publish(fields: object): void {
  client.send({
    type: 'publish',
    id: 'p',
    topic: 'task.a',
    event: 'task.progress',
    data: PROGRESS,
    ...fields,
  });
}

describe('events are held to the catalog', () => {
  test.each([
    ['a missing field', { progress: 40, message: 'm' }, '/data/task_id'],
    ['a number out of its range', { ...PROGRESS, progress: 140 }, '/data/progress'],
    ['text instead of a number', { ...PROGRESS, progress: '40' }, '/data/progress'],
    ['no object at all', 7, '/data'],
  ])('[PUB-8] %s is refused with its path', async (_what, data, path) => {
    publish({ data });
    expect(await client.next('error')).toMatchObject({
      id: 'p',
      code: 'bad-data',
      retryable: false,
      message: expect.stringContaining(`"${path}"`),
      details: { event: 'task.progress', path },
    });
  });

  test('[PUB-8] fields that no schema names are stored as they are', async () => {
    client.send({ type: 'subscribe', topic: 'task.a' });
    await client.next('subscribed');
    publish({ data: { ...PROGRESS, branch: 'main' } });
    expect(await client.next('event')).toMatchObject({ data: { ...PROGRESS, branch: 'main' } });
  });

  test('[PUB-9] an unknown name is allowed, unless the namespace refuses it', async () => {
    publish({ event: 'task.dreamt', data: 1 });
    expect(await client.next('ok')).toMatchObject({ id: 'p' });
    publish({ topic: 'strict.a', event: 'task.dreamt', data: 1 });
    expect(await client.next('error')).toMatchObject({
      code: 'unknown-event',
      details: { event: 'task.dreamt' },
    });
    publish({ topic: 'strict.a' });
    expect(await client.next('ok')).toMatchObject({ id: 'p' });
  });

  test('[PUB-9] where the namespace asks for it, a name that is not known is told once in the log', async () => {
    for (const topic of ['curious.a', 'curious.b', 'other.a']) {
      publish({ topic, event: 'task.dreamt', data: 1 });
      await client.next('ok');
    }
    expect(logged).toEqual([
      expect.objectContaining({ namespace: 'curious', topic: 'curious.a', event: 'task.dreamt' }),
    ]);
  });

  test('[PUB-8] [PUB-9] [STAT-1] what was refused is counted, by name for the operator', async () => {
    const counting = await TestServer.start({ namespaces: { '*': { unknownEvents: 'refuse' } } });
    try {
      const api = new ApiClient(counting.origin, await counting.token());
      const event = { topic: 'task.a', event: 'task.progress', data: {} };
      const events = [event, event, { ...event, event: 'task.dreamt' }];
      expect((await api.post('/api/v1/events', { events })).status).toBe(207);
      const { body } = await api.get<{ metrics: object }>('/api/v1/realtime/stats');
      expect(body.metrics).toMatchObject({ refused_by_type: { 'task.progress': 2, 'task.dreamt': 1 } });
      const { text } = await api.get('/metrics');
      expect(text).toContain('millrace_catalog_faults_total{fault="bad_data"} 2');
      expect(text).toContain('millrace_catalog_faults_total{fault="unknown_refused"} 1');
    } finally {
      await counting.close();
    }
  });
});
