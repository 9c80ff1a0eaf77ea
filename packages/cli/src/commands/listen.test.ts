import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MillraceEvent } from '@millrace/protocol';
import { until } from '@millrace/testkit';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { type Finished, Millrace, type Served, serve } from '../../test/millrace.ts';

// Each test is several processes.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const SECRET = 'a-webhook-secret-that-is-long-enough';

let cwd: string;
let server: Served;

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'millrace-listen-'));
  server = await serve(cwd);
});
afterAll(async () => {
  server.process.kill('SIGKILL');
  await server.process.finished;
  rmSync(cwd, { recursive: true });
});

interface Received {
  readonly event: MillraceEvent;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A receiver that answers what it is told to: an HTTP status, `hang` for nothing at all, or what a function does. */
class Receiver {
  readonly received: Received[] = [];
  answer: (event: MillraceEvent, response: ServerResponse) => void = (_, response) => void response.end('ok');
  #server: Server | undefined;
  #port = 0;

  async open(): Promise<this> {
    this.#server = createServer((request, response) => void this.#receive(request, response));
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const event = JSON.parse(body) as MillraceEvent;
    this.received.push({ event, headers: request.headers, body });
    this.answer(event, response);
  }

  close(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/hook`;
  }

  /** What came, as `topic#offset`. */
  get places(): string[] {
    return this.received.map(({ event }) => `${event.topic}#${event.offset}`);
  }

  async reached(count: number): Promise<void> {
    await until(() => this.received.length >= count, `${count} posts`, 20_000);
  }
}

let receiver: Receiver;
const listeners: Millrace[] = [];
beforeAll(async () => {
  receiver = await new Receiver().open();
});
afterEach(async () => {
  for (const listener of listeners.splice(0)) {
    listener.kill('SIGKILL');
    await listener.finished;
  }
  receiver.received.length = 0;
  receiver.answer = (_, response) => void response.end('ok');
});
afterAll(() => receiver.close());

const run = (...args: readonly string[]): Promise<Finished> =>
  new Millrace(args, { cwd, env: { MILLRACE_URL: server.url } }).finished;
const publish = (topic: string, count = 1, ...args: string[]): Promise<Finished> =>
  run('pub', topic, 'step', '{"n":{{i}}}', '--count', String(count), ...args);

async function listen(pattern: string, ...args: readonly string[]): Promise<Millrace> {
  const listener = new Millrace(['listen', pattern, '--forward', receiver.url, ...args], {
    cwd,
    env: { MILLRACE_URL: server.url, MILLRACE_WEBHOOK_SECRET: SECRET },
  });
  listeners.push(listener);
  await listener.waitFor('stderr', /forwarding/);
  return listener;
}

const stop = (listener: Millrace): Promise<Finished> => {
  listener.kill('SIGINT');
  return listener.finished;
};

async function lettersOf(name: string): Promise<MillraceEvent<{ readonly [field: string]: unknown }>[]> {
  const topic = `listen.${name}.dead-letter`;
  const reader = new Millrace(['sub', topic, '--since', 'earliest', '--json'], {
    cwd,
    env: { MILLRACE_URL: server.url },
  });
  await reader.waitFor('stdout', /\n/);
  const { stdout } = await stop(reader);
  return String(stdout)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

test('each event is one signed POST with the event’s message, told in a line', async () => {
  await publish('hook.plain', 2);
  const listener = await listen('hook.plain', '--since', 'earliest');
  await receiver.reached(2);
  const [{ event, headers, body }] = receiver.received as [Received];
  expect(event).toMatchObject({ topic: 'hook.plain', event: 'step', offset: 1, data: { n: 1 } });
  expect(headers['webhook-id']).toBe(event.id);
  const signed = `${event.id}.${headers['webhook-timestamp']}.${body}`;
  expect(headers['webhook-signature']).toBe(
    `v1,${createHmac('sha256', SECRET).update(signed).digest('base64')}`,
  );
  expect(Math.abs(Date.now() / 1000 - Number(headers['webhook-timestamp']))).toBeLessThan(60);
  await listener.waitFor('stdout', /^\d\d:\d\d:\d\d\.\d{3} {2}hook\.plain {2}#1 {2}step {2}→ 200\n/);
  expect((await stop(listener)).code).toBe(130);
});

test('what fails is tried again in its order, while other topics go on', async () => {
  const failures = new Map<string, number>([['hook.busy#1', 2]]);
  receiver.answer = ({ topic, offset }, response) => {
    const left = failures.get(`${topic}#${offset}`) ?? 0;
    failures.set(`${topic}#${offset}`, left - 1);
    response.statusCode = left > 0 ? 503 : 204;
    response.end();
  };
  await publish('hook.busy', 3);
  await publish('hook.calm', 3);
  const listener = await listen('hook.*', '--since', 'earliest', '--retry-delay', '200ms');
  await listener.waitFor('stdout', /#1 {2}step {2}→ HTTP 503; again in 0\.[12] s \(try 1 of 8\)\n/);
  await listener.waitFor('stdout', /hook\.busy {2}#3 {2}step {2}→ 204/);
  await listener.waitFor('stdout', /hook\.calm {2}#3/);
  const busy = receiver.places.filter((place) => place.startsWith('hook.busy'));
  expect(busy).toEqual(['hook.busy#1', 'hook.busy#1', 'hook.busy#1', 'hook.busy#2', 'hook.busy#3']);
  expect(receiver.places.indexOf('hook.calm#3')).toBeLessThan(receiver.places.lastIndexOf('hook.busy#1'));
  expect(listener.stdout).toContain('→ 204 (try 3)');
});

test('a receiver that stalls, is away and comes back gets everything', async () => {
  receiver.answer = () => {};
  await publish('away.a', 2);
  const listener = await listen(
    'away.a',
    '--since',
    'earliest',
    '--timeout',
    '300ms',
    '--retry-delay',
    '200ms',
    '--attempts',
    '50',
  );
  await listener.waitFor('stdout', /no answer in 300 ms; again/);
  receiver.close();
  await listener.waitFor('stdout', /ECONN\w+; again/);
  receiver.answer = (_, response) => void response.end();
  receiver.received.length = 0;
  await receiver.open();
  await listener.waitFor('stdout', /#2 {2}step {2}→ 200/);
  expect(receiver.places).toEqual(['away.a#1', 'away.a#2']);
});

test('Retry-After is obeyed', async () => {
  let first = 0;
  receiver.answer = (_, response) => {
    if (first === 0) {
      first = performance.now();
      response.writeHead(429, { 'retry-after': '1' });
    } else first = performance.now() - first;
    response.end();
  };
  await publish('later.a');
  const listener = await listen('later.a', '--since', 'earliest', '--retry-delay', '1ms');
  await listener.waitFor('stdout', /HTTP 429; again in 1\.0 s/);
  await receiver.reached(2);
  expect(first).toBeGreaterThan(950);
});

test('what is refused, and what fails to the last try, becomes a dead letter with its reason, and the next goes on', async () => {
  receiver.answer = ({ offset }, response) => {
    response.statusCode = [410, 500, 200][offset - 1] ?? 200;
    response.end();
  };
  await publish('dead.a', 3);
  const listener = await listen(
    'dead.a',
    '--since',
    'earliest',
    '--name',
    'burying',
    '--attempts',
    '2',
    '--retry-delay',
    '1ms',
  );
  await listener.waitFor('stdout', /#3 {2}step {2}→ 200/);
  expect(listener.stdout).toMatch(
    /HTTP 410; dead letter after 1 try\n.*\n?.*HTTP 500; dead letter after 2 tries/s,
  );
  const letters = await lettersOf('burying');
  expect(letters.map(({ event, source }) => [event, source])).toEqual([
    ['message.dead_lettered', 'burying'],
    ['message.dead_lettered', 'burying'],
  ]);
  expect(letters.map(({ data }) => data)).toMatchObject([
    {
      topic: 'dead.a',
      offset: 1,
      event: 'step',
      reason: 'HTTP 410',
      status: 410,
      attempts: 1,
      data: { n: 1 },
    },
    {
      topic: 'dead.a',
      offset: 2,
      event: 'step',
      reason: 'HTTP 500',
      status: 500,
      attempts: 2,
      data: { n: 2 },
    },
  ]);
});

test('it goes on exactly where it stopped, of a topic and of a pattern', async () => {
  for (const pattern of ['stopped.a', 'paused.*']) {
    const topic = pattern.replace('*', 'a');
    const first = await listen(pattern);
    await publish(topic, 3);
    await receiver.reached(3);
    await stop(first);
    await publish(topic, 3);
    const second = await listen(pattern);
    expect(second.stderr).toContain('going on where it stopped');
    await second.waitFor('stdout', /#6/);
    await stop(second);
    expect(receiver.places).toEqual([1, 2, 3, 4, 5, 6].map((offset) => `${topic}#${offset}`));
    receiver.received.length = 0;
  }
});

test('killed in the middle, it repeats what it could not note, under the same id, and leaves nothing out', async () => {
  const first = await listen('killed.*');
  await publish('killed.a', 20, '--rate', '200');
  await receiver.reached(5);
  first.kill('SIGKILL');
  await first.finished;
  await publish('killed.b', 3);
  const second = await listen('killed.*');
  await second.waitFor('stdout', /killed\.b {2}#3/);
  await second.waitFor('stdout', /killed\.a {2}#20/);
  const ids = new Map(receiver.received.map(({ event, headers }) => [headers['webhook-id'], event]));
  expect(ids.size).toBe(23);
  for (const topic of ['killed.a', 'killed.b']) {
    const offsets = [...ids.values()].filter((event) => event.topic === topic).map(({ offset }) => offset);
    expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
  }
});

test('a server that is killed and comes back costs no event', async () => {
  const listener = await listen('crash.*');
  await publish('crash.a', 2);
  await receiver.reached(2);
  const port = new URL(server.url).port;
  server.process.kill('SIGKILL');
  await server.process.finished;
  server = await serve(cwd, ['--port', port]);
  await publish('crash.a', 2);
  await receiver.reached(4);
  expect(receiver.places).toEqual([1, 2, 3, 4].map((offset) => `crash.a#${offset}`));
  expect((await stop(listener)).stderr).toContain('connected again');
});

test('of two listeners of one name the first notices that it was relieved', async () => {
  const first = await listen('twice.a', '--name', 'twins');
  await publish('twice.a');
  await receiver.reached(1);
  await listen('twice.a', '--name', 'twins');
  await publish('twice.a');
  const { code, stderr } = await first.finished;
  expect(stderr).toMatch(/another listener named "twins" has taken over/);
  expect(code).toBe(1);
});

test('a sealed topic ends it, and its own records are never forwarded', async () => {
  const all = await listen('*', '--name', 'all');
  await publish('sealed.a', 2, '--seal');
  const one = await listen('sealed.a', '--since', 'earliest', '--name', 'one');
  expect((await one.finished).code).toBe(0);
  await all.waitFor('stdout', /sealed\.a {2}#2/);
  await publish('sealed.b');
  await all.waitFor('stdout', /sealed\.b {2}#1/);
  expect(receiver.places.filter((place) => place.startsWith('listen.'))).toEqual([]);
});

test.for<[string, Record<string, string>, readonly string[], RegExp]>([
  ['no secret', {}, [], /needs a secret to sign with: set MILLRACE_WEBHOOK_SECRET/],
  ['a short one', { MILLRACE_WEBHOOK_SECRET: 'short' }, [], /has 5 bytes, and needs 24/],
  ['no address', { MILLRACE_WEBHOOK_SECRET: SECRET }, ['--forward', 'example.com'], /is not an address/],
  [
    'a password',
    { MILLRACE_WEBHOOK_SECRET: SECRET },
    ['--forward', 'http://a:b@example.com'],
    /hold no password/,
  ],
])('refuses to begin with %s', async ([, env, args, message]) => {
  const { code, stderr } = await new Millrace(['listen', 'a', '--forward', 'http://localhost:1', ...args], {
    cwd,
    env,
  }).finished;
  expect(stderr).toMatch(message);
  expect(code).toBe(2);
});
