import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { MillraceEvent } from '@millrace/protocol';
import { ApiClient, ManualClock, TestServer, until } from '@millrace/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MetricsUpdate } from './metric-source.ts';
import { figuresOf } from './prometheus-source.ts';

const TEXT = `# TYPE http_requests_total counter
http_requests_total{code="200",method="get"} 10
http_requests_total{code="200",method="post"} 5
http_requests_total{code="500",method="get"} 1
process_open_fds 17
node_load1 0.25
node_load5 0.5
weird NaN
`;

describe('the figures of a text', () => {
  test('are all of them, each with its labels', () => {
    expect(figuresOf(TEXT, { pick: undefined, labels: undefined })).toEqual({
      'http_requests_total{code="200",method="get"}': 10,
      'http_requests_total{code="200",method="post"}': 5,
      'http_requests_total{code="500",method="get"}': 1,
      process_open_fds: 17,
      node_load1: 0.25,
      node_load5: 0.5,
    });
  });

  test('are picked by name, and added up over the labels that tell nothing apart', () => {
    expect(figuresOf(TEXT, { pick: ['http_*', 'node_load1'], labels: ['code'] })).toEqual({
      'http_requests_total{code="200"}': 15,
      'http_requests_total{code="500"}': 1,
      node_load1: 0.25,
    });
    expect(figuresOf(TEXT, { pick: ['http_requests_total'], labels: [] })).toEqual({
      http_requests_total: 16,
    });
  });

  test('are bounded in number, and named by no key that objects know', () => {
    const many = Array.from({ length: 1001 }, (_, i) => `a${i} 1\n`).join('');
    expect(() => figuresOf(many, { pick: undefined, labels: undefined })).toThrow(
      'there are 1001 figures, over 1000: pick fewer, or fewer labels',
    );
    expect(figuresOf('__proto__ 1\nb 2', { pick: undefined, labels: undefined })).toEqual({ b: 2 });
  });
});

describe('a target', () => {
  let target: Server;
  let url: string;
  let requests: IncomingMessage[];
  let answer: (response: ServerResponse) => void;
  let clock: ManualClock;
  let server: TestServer;

  beforeEach(async () => {
    requests = [];
    answer = (response) => response.end(TEXT);
    target = createServer((request, response) => {
      requests.push(request);
      answer(response);
    });
    await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(target.address() as AddressInfo).port}/metrics`;
    clock = new ManualClock();
  });
  afterEach(async () => {
    target.closeAllConnections();
    target.close();
    await server.close();
  });

  const start = async (more: object = {}): Promise<void> => {
    const prometheus = [{ name: 'api/1', url, interval: '1s' as const, pick: ['node_*'], ...more }];
    server = await TestServer.start({ clock, sources: { server: false, process: false, prometheus } });
  };

  /** What is published of the next measurement. */
  async function measured(topic = 'metrics.api_2f1'): Promise<MetricsUpdate> {
    const api = new ApiClient(server.origin, await server.token({ clock }));
    const newest = async (): Promise<MillraceEvent<MetricsUpdate>[]> =>
      (await api.get<{ events: MillraceEvent<MetricsUpdate>[] }>(`/api/v1/topics/${topic}/events?last=1`))
        .body.events ?? [];
    const before = (await newest())[0]?.offset ?? 0;
    clock.advance(1000);
    let event: MillraceEvent<MetricsUpdate> | undefined;
    await until(async () => {
      [event] = await newest();
      return (event?.offset ?? 0) > before;
    }, 'the next figures');
    if (event === undefined) throw new Error('there is none');
    expect(event).toMatchObject({ event: 'metrics_update', key: 'api/1', source: 'millrace' });
    return event.data;
  }

  test('is scraped at its pace, with the headers that it asks for', async () => {
    await start({ headers: { authorization: 'Bearer secret' } });
    expect(await measured()).toEqual({
      source_id: 'api/1',
      metrics: { node_load1: 0.25, node_load5: 0.5 },
      status: 'ok',
      uptime_percent: 100,
    });
    expect(requests[0]?.headers).toMatchObject({
      authorization: 'Bearer secret',
      accept: expect.stringMatching(/^text\/plain/),
    });
    await measured();
    expect(requests).toHaveLength(2);
  });

  test.each([
    ['an error', (response: ServerResponse) => response.writeHead(503).end(), 'it answered with HTTP 503'],
    [
      'nonsense',
      (response: ServerResponse) => response.end('<html>'),
      'the answer cannot be read: line 1 has no name',
    ],
    [
      'a redirection',
      (response: ServerResponse) => response.writeHead(302, { location: '/' }).end(),
      'no answer (unexpected redirect)',
    ],
    ['nothing', (response: ServerResponse) => response.socket?.destroy(), 'no answer (UND_ERR_SOCKET)'],
    [
      'too much',
      (response: ServerResponse) => response.end('a 1\n'.repeat(10_000)),
      'the answer is over 2048 bytes',
    ],
    [
      'too much in little',
      (response: ServerResponse) =>
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(1e7, '\n'))),
      'the answer is over 2048 bytes',
    ],
  ])(
    'that answers %s is told of as unreachable, and as well again later',
    async (_what, misbehave, error) => {
      await start({ maxBytes: 2048 });
      answer = misbehave;
      expect(await measured()).toEqual({
        source_id: 'api/1',
        metrics: {},
        status: 'unreachable',
        uptime_percent: 0,
        error,
      });
      answer = (response) => response.end(TEXT);
      expect(await measured()).toMatchObject({ status: 'ok', uptime_percent: 50 });
    },
  );

  test('that hangs is given up in time, and not asked twice meanwhile', async () => {
    await start({ timeout: '3s' });
    answer = () => {};
    clock.advance(1000);
    await until(() => requests.length === 1, 'the request');
    clock.advance(2000);
    expect(await measured()).toMatchObject({ status: 'unreachable', error: 'no answer within 3000 ms' });
    expect(requests).toHaveLength(1);
  });

  test('may go to a topic of its own', async () => {
    await start({ topic: 'targets.api' });
    expect(await measured('targets.api')).toMatchObject({ status: 'ok' });
  });

  test('that fails is one line in the log, however long it fails', async () => {
    const lines: string[] = [];
    const logger = {
      info() {},
      debug() {},
      warn() {},
      error: (_fields: object, message: string) => lines.push(message),
    };
    const prometheus = [{ name: 'api/1', url, interval: '1s' as const }];
    server = await TestServer.start({
      clock,
      logger: logger as never,
      sources: { server: false, process: false, prometheus },
    });
    answer = (response) => response.writeHead(500).end();
    for (let i = 0; i < 5; i++) await measured();
    expect(lines).toEqual(['failed while measuring api/1']);
    const api = new ApiClient(server.origin, await server.token({ clock }));
    const { text } = await api.get('/metrics');
    expect(text).toContain('millrace_sources_measurements_total{outcome="failed"} 5');
    expect(text).toContain('millrace_sources_unreachable 1');
  });
});

test('the server measures itself and its process every second, in the shape of every other source', async () => {
  const server = await TestServer.start({
    host: { name: 'h1' },
    sources: { server: true, process: true, interval: '20ms' },
  });
  const client = await server.connect();
  client.send({ type: 'subscribe', topics: ['metrics.server', 'metrics.process'] });
  const events = (await client.take('event', 6)) as unknown as MillraceEvent<MetricsUpdate>[];
  const newest = new Map(events.map(({ data }) => [data.source_id, data]));
  expect([...newest.keys()].sort()).toEqual(['process:h1', 'server:h1']);
  expect(newest.get('server:h1')).toMatchObject({
    status: 'ok',
    uptime_percent: 100,
    metrics: { connections: 1, subscriptions: 2, publishes_per_second: expect.any(Number) },
  });
  const metrics = newest.get('process:h1')?.metrics;
  expect(metrics?.rss_bytes).toBeGreaterThan(1e7);
  expect(metrics?.event_loop_delay_p99_ms).toBeGreaterThanOrEqual(0);
  client.close();
  await server.close();
});

test('a wrong topic or entity of a target is refused with the configuration', async () => {
  const target = { name: 'a', url: 'http://127.0.0.1:1/metrics' };
  const start = (more: object) => TestServer.start({ sources: { prometheus: [{ ...target, ...more }] } });
  await expect(start({ topic: 'a.*' })).rejects.toThrow('sources.prometheus[0].topic has a character');
  await expect(start({ entity: '$system' })).rejects.toThrow(
    'sources.prometheus[0].entity is the server’s own',
  );
});
