import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Role } from '@millrace/protocol';
import { ApiClient, type TestClient, TestServer, until } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

interface Started {
  readonly id: string;
  readonly topic: string;
  readonly position: string;
}
interface ToolEvent {
  readonly event: string;
  readonly sealed?: true;
  readonly data: Readonly<Record<string, unknown>>;
}

const SECRET = 'a secret of the server, which no command may see';
let folder: string;
let server: TestServer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-processes-'));
  mkdirSync(join(folder, 'inside'));
  symlinkSync('/', join(folder, 'outside'));
  process.env.MILLRACE_TEST_SECRET = SECRET;
  process.env.MILLRACE_TEST_PASSED = 'passed';
  server = await TestServer.start({
    processes: {
      roles: ['admin', 'agent'],
      grace: '1s',
      commands: [
        { name: 'say', command: 'printf', args: ['%s\\n'], allowArgs: '[a-z]+' },
        { name: 'listed', command: 'echo', allowArgs: ['one', 'two'] },
        { name: 'where', command: 'pwd', args: ['-P'], cwd: folder },
        { name: 'env', command: 'env', env: ['COLOUR'], passEnv: ['MILLRACE_TEST_PASSED'] },
        { name: 'cat', command: 'cat', stdin: true },
        { name: 'deaf', command: 'sleep', args: ['600'], pty: false, maxRunning: 1 },
        { name: 'shell', command: 'sh', args: ['-c', 'stty size; read line; echo "got $line"; stty size'] },
        { name: 'slow', command: 'sleep', args: ['600'], timeout: '50ms' },
        { name: 'missing', command: 'no-such-command' },
        { name: 'any', command: 'echo', allowArgs: '.*' },
        { name: 'theirs', command: 'echo', entities: ['theirs'] },
      ],
    },
  });
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

const apiOf = async (roles: readonly Role[], more: object = {}): Promise<ApiClient> =>
  new ApiClient(
    server.origin,
    await server.token({ entity: 'default', sub: 'ann', roles: [...roles], ...more }),
  );

async function run(body: object): Promise<Started> {
  const answer = await (await apiOf(['admin'])).post<Started>('/api/v1/processes', body);
  expect(answer).toMatchObject({ status: 202 });
  return answer.body;
}

async function watch(topic: string): Promise<TestClient> {
  const client = await server.connect('/ws', { entity: 'default', roles: ['observer'] });
  client.send({ type: 'subscribe', topic, since: 'earliest' });
  await client.next('subscribed');
  return client;
}

/** All events of a topic, until it is sealed. */
async function story(topic: string): Promise<ToolEvent[]> {
  const client = await watch(topic);
  const events: ToolEvent[] = [];
  while (events.at(-1)?.sealed !== true) events.push((await client.next('event')) as unknown as ToolEvent);
  client.close();
  return events;
}

const outputOf = (events: readonly ToolEvent[]): string =>
  Buffer.concat(
    events
      .filter(({ event }) => event === 'tool.output')
      .map(({ data }) => Buffer.from(String(data.output), data.encoding === 'base64' ? 'base64' : 'utf8')),
  ).toString('latin1');

describe('[PROC-1] a command that configuration allows', () => {
  test('runs, and its topic tells its life from the position that was answered', async () => {
    const { id, topic, position } = await run({ command: 'say', args: ['hello'] });
    const events = await story(topic);
    expect(topic).toBe(`tool.${id}`);
    expect(position).toMatch(/:1$/);
    expect(events[0]).toMatchObject({
      event: 'tool.started',
      data: {
        execution_id: id,
        command: 'printf',
        args: ['%s\\n', 'hello'],
        started_by: 'ann',
        control: ['cancel', 'signal'],
      },
    });
    expect(outputOf(events)).toBe('hello\n');
    expect(events.at(-1)).toMatchObject({ event: 'tool.completed', data: { exit_code: 0 }, sealed: true });
  });

  test('that cannot be started says so on its topic', async () => {
    const { topic } = await run({ command: 'missing' });
    expect(await story(topic)).toMatchObject([
      { event: 'tool.failed', data: { exit_code: 127 }, sealed: true },
    ]);
  });

  test('ends when its time is over', async () => {
    const { topic } = await run({ command: 'slow', timeout: '1m' });
    expect((await story(topic)).at(-1)?.data).toMatchObject({ reason: 'timeout', signal: 'SIGTERM' });
  });

  test.for([
    [{ command: 'ls' }, 404, 'not-found'],
    [{ command: 'theirs' }, 404, 'not-found'],
    [{ command: 'say', args: ['hello; id'] }, 403, 'forbidden'],
    [{ command: 'listed', args: ['three'] }, 403, 'forbidden'],
    [{ command: 'cat', args: ['/etc/passwd'] }, 403, 'forbidden'],
    [{ command: 'env', env: { LD_PRELOAD: 'x' } }, 403, 'forbidden'],
    [{ command: 'say', cwd: '/' }, 403, 'forbidden'],
    [{ command: 'where', cwd: '..' }, 403, 'forbidden'],
    [{ command: 'where', cwd: 'outside' }, 403, 'forbidden'],
    [{ command: 'where', cwd: 'nowhere' }, 403, 'forbidden'],
    [{ command: 'deaf', pty: { columns: 80, rows: 24 } }, 403, 'forbidden'],
    [{ command: 'say', args: ['a\u0000b'] }, 400, 'bad-message'],
    [{ command: 'say', timeout: 'soon' }, 400, 'bad-message'],
    [{}, 400, 'bad-message'],
  ] as const)('[PROC-2] %j is refused with %d', async ([body, status, code]) => {
    const answer = await (await apiOf(['admin'])).post('/api/v1/processes', body);
    expect(answer).toMatchObject({ status, body: { code } });
  });

  test('[PROC-2] a request may name a folder below the command’s own', async () => {
    const { topic } = await run({ command: 'where', cwd: 'inside' });
    expect(outputOf(await story(topic))).toMatch(/\/inside\n$/);
  });

  test('[PROC-3] its environment has nothing of the server’s but what is harmless or named', async () => {
    const { topic } = await run({ command: 'env', env: { COLOUR: 'blue' } });
    const output = outputOf(await story(topic));
    expect(output).toContain('PATH=');
    expect(output).toContain('COLOUR=blue');
    expect(output).toContain('MILLRACE_TEST_PASSED=passed');
    expect(output).not.toContain(SECRET);
  });

  test('as many as may run at a time', async () => {
    const { id } = await run({ command: 'deaf' });
    const admin = await apiOf(['admin']);
    expect(await admin.post('/api/v1/processes', { command: 'deaf' })).toMatchObject({ status: 503 });
    expect((await admin.get<{ processes: unknown[] }>('/api/v1/processes')).body.processes).toContainEqual(
      expect.objectContaining({ id, state: 'running', command: 'deaf', startedBy: 'ann' }),
    );
    await admin.delete(`/api/v1/processes/${id}`);
    await story(`tool.${id}`);
    await admin.delete(`/api/v1/processes/${(await run({ command: 'deaf' })).id}`);
  });
});

test('where events may be no larger than a kilobyte, output comes in smaller ones', async () => {
  const small = await TestServer.start({
    limits: { maxMessageBytes: 1024 },
    processes: { commands: [{ name: 'seq', command: 'seq', allowArgs: '[0-9]+' }] },
  });
  const api = new ApiClient(small.origin, await small.token({ entity: 'default', roles: ['admin'] }));
  const { body } = await api.post<Started>('/api/v1/processes', { command: 'seq', args: ['2000'] });
  const client = await small.connect('/ws', { entity: 'default', roles: ['observer'] });
  client.send({ type: 'subscribe', topic: body.topic, since: 'earliest' });
  const events: ToolEvent[] = [];
  while (events.at(-1)?.sealed !== true) events.push((await client.next('event')) as unknown as ToolEvent);
  expect(outputOf(events)).toBe(`${Array.from({ length: 2000 }, (_, i) => i + 1).join('\n')}\n`);
  client.close();
  await small.close();
});

describe('what runs', () => {
  test('[PROC-4] is typed into', async () => {
    const { id, topic } = await run({ command: 'cat' });
    const admin = await apiOf(['admin']);
    expect(await admin.post(`/api/v1/processes/${id}/stdin`, { data: 'typed ✓' })).toMatchObject({
      status: 202,
      body: { topic: `control.${id}` },
    });
    await admin.post(`/api/v1/processes/${id}/stdin`, { data: '/w==', encoding: 'base64', end: true });
    const events = await story(topic);
    expect(outputOf(events)).toBe(`${Buffer.from('typed ✓').toString('latin1')}\u00ff`);
    expect(events.at(-1)).toMatchObject({ data: { exit_code: 0 } });
  });

  test('[PROC-4] on a terminal is resized and typed into', async () => {
    const { id, topic } = await run({ command: 'shell', pty: { columns: 90, rows: 20 } });
    const client = await watch(topic);
    await until(() => client.texts.some((text) => text.includes('20 90')), 'the first size');
    const admin = await apiOf(['admin']);
    await admin.post(`/api/v1/processes/${id}/resize`, { columns: 100, rows: 30 });
    await admin.post(`/api/v1/processes/${id}/stdin`, { data: 'hi\r' });
    expect(outputOf(await story(topic))).toMatch(/got hi\r\n30 100\r\n$/);
    client.close();
  });

  test('[PROC-4] is cancelled, and its end says by whom', async () => {
    const { id, topic } = await run({ command: 'cat' });
    expect(await (await apiOf(['admin'])).delete(`/api/v1/processes/${id}`)).toMatchObject({ status: 202 });
    expect((await story(topic)).at(-1)).toMatchObject({
      event: 'tool.completed',
      data: { exit_code: 143, signal: 'SIGTERM', reason: 'cancelled', cancelled_by: 'ann' },
    });
    const after = await (await apiOf(['admin'])).delete(`/api/v1/processes/${id}`);
    expect(after).toMatchObject({ status: 404, body: { code: 'not-found' } });
    expect((await (await apiOf(['admin'])).get(`/api/v1/processes/${id}`)).body).toMatchObject({
      state: 'ended',
      exitCode: 143,
      signal: 'SIGTERM',
    });
  });

  test('[PROC-4] gets a signal', async () => {
    const { id, topic } = await run({ command: 'cat' });
    const admin = await apiOf(['admin']);
    for (const signal of ['SIGNOT', 'HUP'])
      expect(await admin.post(`/api/v1/processes/${id}/signal`, { signal })).toMatchObject({
        status: 400,
        body: { detail: `there is no signal "${signal}"; write SIGINT, SIGHUP or another of its kind` },
      });
    await admin.post(`/api/v1/processes/${id}/signal`, { signal: 'SIGINT' });
    expect((await story(topic)).at(-1)?.data).toMatchObject({ exit_code: 130, signal: 'SIGINT' });
  });

  test('[PROC-4] elsewhere is told over its control topic', async () => {
    const runner = await server.connect('/ws', { entity: 'default', roles: ['publisher'] });
    runner.send({ type: 'subscribe', topic: 'control.elsewhere-1' });
    await runner.next('subscribed');
    const admin = await apiOf(['admin']);
    expect((await admin.get('/api/v1/processes/elsewhere-1')).body).toMatchObject({ state: 'running' });
    await admin.delete('/api/v1/processes/elsewhere-1');
    expect(await runner.next('event')).toMatchObject({
      event: 'control.cancel',
      data: { id: 'elsewhere-1', user_id: 'ann' },
    });
    runner.close();
  });

  test('that takes no input, or has no terminal, refuses it', async () => {
    const { id } = await run({ command: 'deaf' });
    const admin = await apiOf(['admin']);
    expect(await admin.post(`/api/v1/processes/${id}/stdin`, { data: 'x' })).toMatchObject({ status: 403 });
    expect(await admin.post(`/api/v1/processes/${id}/resize`, { columns: 1, rows: 1 })).toMatchObject({
      status: 403,
    });
    await admin.delete(`/api/v1/processes/${id}`);
    await story(`tool.${id}`);
  });
});

describe('[PROC-5] who lacks the role', () => {
  const attempts = (id: string): [method: string, path: string, body?: object][] => [
    ['POST', '/api/v1/processes', { command: 'say' }],
    ['GET', '/api/v1/processes'],
    ['GET', `/api/v1/processes/${id}`],
    ['POST', `/api/v1/processes/${id}/stdin`, { data: 'typed' }],
    ['POST', `/api/v1/processes/${id}/signal`, { signal: 'SIGKILL' }],
    ['POST', `/api/v1/processes/${id}/resize`, { columns: 1, rows: 1 }],
    ['DELETE', `/api/v1/processes/${id}`],
  ];

  test.each<[string, readonly Role[], object]>([
    ['observer', ['observer'], {}],
    ['member', ['member'], {}],
    ['publisher', ['publisher'], {}],
    ['agent whose topics do not cover it', ['agent'], {}],
    ['admin whose token lists other topics', ['admin'], { topics: { publish: ['chat.*'] } }],
  ])('as %s runs nothing, types nothing, cancels nothing', async (_, roles, more) => {
    const { id, topic } = await run({ command: 'cat' });
    const api = await apiOf(roles, more);
    for (const [method, path, body] of attempts(id)) {
      const answer = await api.call(path, { method, ...(body !== undefined && { body }) });
      expect(answer, `${method} ${path}`).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    }
    const admin = await apiOf(['admin']);
    await admin.post(`/api/v1/processes/${id}/stdin`, { data: 'end', end: true });
    expect(outputOf(await story(topic))).toBe('end');
  });

  // An answer's id is whatever its publisher says: a member who named a command so could have ended it.
  test('does not cancel it as an answer of a conversation either', async () => {
    const { id, topic } = await run({ command: 'cat' });
    const member = await apiOf(['member']);
    const answer = { event: 'stream.start', data: { stream_id: id, conversation_id: 'c' } };
    expect(await member.post('/api/v1/events', { topic: 'chat.c', ...answer })).toMatchObject({
      status: 200,
    });
    expect(await member.post(`/api/v1/llm/${id}/cancel`, { conversation_id: 'c' })).toMatchObject({
      status: 202,
    });
    await (await apiOf(['admin'])).post(`/api/v1/processes/${id}/stdin`, { data: 'goes on', end: true });
    const events = await story(topic);
    expect(outputOf(events)).toBe('goes on');
    expect(events.at(-1)?.data).toMatchObject({ exit_code: 0 });
  });

  test('as an agent whose token lists the topics may', async () => {
    const agent = await apiOf(['agent'], { topics: { publish: ['tool.*'] } });
    expect(await agent.post('/api/v1/processes', { command: 'say', args: ['x'] })).toMatchObject({
      status: 202,
    });
  });
});

test('[HTTP-5] arguments that no event could hold are refused, and stay on the record', async () => {
  const admin = await apiOf(['admin'], { sub: 'long' });
  const args = Array.from({ length: 30 }, () => 'x'.repeat(4000));
  expect(await admin.post('/api/v1/processes', { command: 'any', args })).toMatchObject({
    status: 413,
    body: { code: 'too-large' },
  });
  const { entries } = (
    await admin.get<{ entries: { userId: string; target: { args: string } }[] }>('/api/v1/audit?last=1')
  ).body;
  expect(entries).toMatchObject([{ action: 'run-process', userId: 'long', outcome: 'too-large' }]);
  expect(entries[0]?.target.args).toMatch(/^\["x{998}… \(120091 characters\)$/);
});

test('[HTTP-5] everything is on the record, but not what was typed', async () => {
  const { id } = await run({ command: 'cat' });
  const admin = await apiOf(['admin']);
  await admin.post(`/api/v1/processes/${id}/stdin`, { data: 'a password' });
  await admin.delete(`/api/v1/processes/${id}`);
  await admin.post('/api/v1/processes', { command: 'ls' });
  const { body, text } = await admin.get<{ entries: object[] }>('/api/v1/audit?last=4');
  expect(body.entries).toMatchObject([
    {
      action: 'run-process',
      userId: 'ann',
      target: { command: 'cat', args: '[]', processId: id },
      outcome: 'done',
    },
    { action: 'type-into-process', target: { processId: id, length: '10' }, outcome: 'done' },
    { action: 'cancel-process', target: { processId: id }, outcome: 'done' },
    { action: 'run-process', target: { command: 'ls' }, outcome: 'not-found' },
  ]);
  expect(text).not.toContain('a password');
});
