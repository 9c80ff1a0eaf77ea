import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { WebSocketServer } from 'ws';
import { Millrace, type Served, serve } from '../../test/millrace.ts';

// Each test is several processes.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let cwd: string;
let server: Served;

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'millrace-pub-'));
  server = await serve(cwd);
});
afterAll(async () => {
  server.process.kill('SIGKILL');
  await server.process.finished;
  rmSync(cwd, { recursive: true });
});

const start = (
  args: readonly string[],
  options: { env?: Record<string, string>; input?: string } = {},
): Millrace => new Millrace(args, { cwd, ...options, env: { MILLRACE_URL: server.url, ...options.env } });
const run = (...args: readonly string[]) => start(args).finished;
const linesOf = (output: Buffer | string) => String(output).trimEnd().split('\n');
const eventsOf = (output: Buffer | string) =>
  linesOf(output).map(
    (line) => JSON.parse(line) as { event: string; offset: number; data: unknown; key?: string },
  );

test('what is published is read, with a token of the local key', async () => {
  const pub = await run(
    'pub',
    'task.a',
    'task.step',
    '{"i": {{i}}, "id": "n{{i}}"}',
    '--count',
    '3',
    '--seal',
    '--key',
    'k',
  );
  expect(pub).toMatchObject({ code: 0, stdout: Buffer.from('') });
  expect(pub.stderr).toMatch(/using one for the role publisher, signed with .*token-key/);
  expect(pub.stderr).toMatch(/stored 3 events in task\.a, up to \S+:3/);
  const sub = await run('sub', 'task.a', '--since', 'earliest', '--json', '--until-sealed');
  expect(sub.code).toBe(0);
  expect(eventsOf(sub.stdout).map(({ data }) => data)).toEqual([1, 2, 3].map((i) => ({ i, id: `n${i}` })));
  expect(eventsOf(sub.stdout)[0]?.key).toBe('k');
});

test('a snapshot comes before the events that follow it', async () => {
  await run('pub', 'shelf.tea', 'stock', '{"count": 7}', '--key', 'green');
  const sub = start(['sub', 'shelf.tea', '--since', 'snapshot', '--until-sealed']);
  await sub.waitFor('stdout', /shelf\.tea {2}\(latest\) {2}\{.*"count":7/);
  await run('pub', 'shelf.tea', 'stock', '{"count": 6}', '--key', 'green', '--seal');
  const { code, stdout } = await sub.finished;
  expect({ code, lines: linesOf(stdout).length }).toEqual({ code: 0, lines: 2 });
  const refused = await run('sub', 'shelf.tea', '--since', 'snapshot', '--output');
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('not snapshots') });
});

test('lines of stdin are events; the last one seals', async () => {
  const pub = start(['pub', 'task.stdin', 'line', '-', '--seal', '--json'], {
    input: '{"a":1}\n\n"{{i}}"\n[2]',
  });
  const { code, stdout } = await pub.finished;
  expect(code).toBe(0);
  expect(
    eventsOf(stdout)
      .map(({ offset }) => offset)
      .sort(),
  ).toEqual([1, 2, 3]);
  const sub = await run('sub', 'task.stdin', '--last', '2', '--json');
  expect(eventsOf(sub.stdout).map(({ data }) => data)).toEqual(['{{i}}', [2]]);
});

test('a live line is published before the next one comes', async () => {
  const pub = start(['pub', 'task.live', 'line', '-']);
  const sub = start(['sub', 'task.live', '--since', 'earliest', '--json']);
  pub.child.stdin?.write('1\n');
  await sub.waitFor('stdout', /"data":1/);
  pub.child.stdin?.end('2\n');
  await sub.waitFor('stdout', /"data":2/);
  expect((await pub.finished).code).toBe(0);
  sub.kill('SIGINT');
  expect(await sub.finished).toMatchObject({ code: 130, signal: null });
});

test('Ctrl-C stops publishing, and what was taken is stored', async () => {
  const pub = start([
    'pub',
    'task.stopped',
    'line',
    '{"n":{{i}}}',
    '--rate',
    '5',
    '--count',
    '1000',
    '--json',
  ]);
  await pub.waitFor('stdout', /"offset":2/);
  pub.kill('SIGINT');
  const { code, stderr, stdout } = await pub.finished;
  expect(code).toBe(130);
  const count = linesOf(stdout).length;
  expect(stderr).toContain(`stored ${count} events`);
  const lines = start(['pub', 'task.stopped', 'line', '-', '--seal', '--json']);
  lines.child.stdin?.write('1\n2\n');
  await lines.waitFor('stdout', /offset/);
  lines.kill('SIGTERM');
  expect((await lines.finished).code).toBe(143);
  // Not sealed: that was to come with the last line.
  expect((await run('pub', 'task.stopped', 'line')).code).toBe(0);
});

test('a failure ends it, also while more input could come', async () => {
  await run('pub', 'task.closed', 'x', '--seal');
  const pub = start(['pub', 'task.closed', 'x', '-']);
  pub.child.stdin?.write('1\n2\n');
  await pub.waitFor('stderr', /signed with/);
  pub.child.stdin?.write('3\n');
  const { code, stderr } = await pub.finished;
  expect(code).toBe(1);
  expect(stderr).toMatch(/"task\.closed" is sealed at offset 1 \(sealed\)/);
});

test('people get lines to read, several patterns at once', async () => {
  await run('pub', 'one.a', 'x.started', '{"n":1}');
  await run('pub', 'two.b.c', 'x.failed', '{"n":2}', '--seal');
  const sub = start(['sub', 'one.*', 'two.*', '--since', 'earliest']);
  await sub.waitFor('stdout', /one\.a {2}x\.started {2}\{"n":1\}\n/);
  await sub.waitFor('stdout', /two\.b\.c {2}x\.failed {2}\{"n":2\} {2}\(sealed\)\n/);
  sub.kill('SIGTERM');
  expect((await sub.finished).code).toBe(143);
});

test('a filter leaves out what does not match, and a priority is kept', async () => {
  await run('pub', 'job.a', 'job.step', '{"n":{{i}}}', '--count', '9');
  await run('pub', 'job.a', 'job.failed', '{"n":10}', '--priority', 'critical', '--seal');
  const sub = await run(
    ...['sub', 'job.a', '--since', 'earliest', '--json', '--until-sealed', '--batch', '--slow', 'catchup'],
    ...['--filter', '{"data.n": {"gte": 9}}'],
  );
  expect(eventsOf(sub.stdout)).toMatchObject([{ data: { n: 9 } }, { data: { n: 10 }, priority: 'critical' }]);
});

test('an inbox is shown as it is, until its messages are acknowledged', async () => {
  await run('pub', 'user.ann', 'note', '{"n":{{i}}}', '--count', '3');
  const look = start(['inbox', '--user', 'ann', '--json']);
  await look.waitFor('stdout', /"n":3/);
  look.kill('SIGINT');
  expect((await look.finished).code).toBe(130);
  const take = start(['inbox', '--user', 'ann', '--ack', '--json']);
  await take.waitFor('stdout', /"n":3/);
  take.kill('SIGINT');
  expect(eventsOf((await take.finished).stdout).map(({ data }) => data)).toEqual(
    [1, 2, 3].map((n) => ({ n })),
  );
  const again = start(['inbox', '--user', 'ann', '--ack', '--json']);
  await again.waitFor('stderr', /signed with/);
  await run('pub', 'user.ann', 'note', '{"n":4}');
  await again.waitFor('stdout', /"n":4/);
  again.kill('SIGINT');
  expect(eventsOf((await again.finished).stdout)).toHaveLength(1);
});

test('ends quietly when nobody reads on', async () => {
  await run(
    'pub',
    'task.many',
    'x',
    '"{{i}} of a great many lines that nobody will read to the end"',
    '--count',
    '5000',
    '--seal',
  );
  const sub = start(['sub', 'task.many', '--since', 'earliest', '-q']);
  await sub.waitFor('stdout', /task\.many/);
  sub.child.stdout?.destroy();
  expect(await sub.finished).toMatchObject({ code: 0, stderr: '' });
});

describe('failures', () => {
  test.for<[string, readonly string[], number, RegExp]>([
    [
      'no server',
      ['sub', 'a', '--url', 'http://localhost:1'],
      3,
      /cannot reach http:\/\/localhost:1.*\n.*millrace serve/,
    ],
    ['a bad token', ['sub', 'a', '--token', 'nonsense'], 4, /refuses: .*unauthorized.*MILLRACE_TOKEN/],
    ['data that is not JSON', ['pub', 'a', 'x', '{'], 2, /the data is not JSON/],
    ['a topic that is none', ['pub', 'a..b', 'x'], 2, /empty segment/],
    ['an address that is none', ['sub', 'a', '--url', 'localhost:3001'], 2, /is not an address/],
    ['two beginnings', ['sub', 'a', '--last', '1', '--since', 'earliest'], 2, /--since or --last, not both/],
    ['a filter that is not JSON', ['sub', 'a', '--filter', '{types'], 2, /--filter <json>.* is not JSON/],
    [
      'a filter that is none',
      ['sub', 'a', '--filter', '{"data.n":{"near":1}}'],
      2,
      /unknown operator "near"/,
    ],
    [
      'a policy that is none',
      ['sub', 'a', '--slow', 'wait'],
      2,
      /catchup, drop-oldest, conflate, disconnect/,
    ],
    ['an unknown option', ['sub', 'a', '--sinc', 'earliest'], 2, /unknown option '--sinc'.*\n.*--since/],
  ])('%s', async ([, args, code, message]) => {
    const result = await run(...args);
    expect(result.stderr).toMatch(message);
    expect(result).toMatchObject({ code, stdout: Buffer.from('') });
  });

  test('a ban is told without advice on tokens, none of which would help', async () => {
    const banning = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    banning.on('connection', (socket) => socket.close(4505, 'this user is banned'));
    await once(banning, 'listening');
    const url = `http://127.0.0.1:${(banning.address() as AddressInfo).port}`;
    const { code, stderr } = await run('sub', 'a', '--url', url, '--token', 'nonsense');
    banning.close();
    expect(stderr).toMatch(/refuses: .*this user is banned.*\(abuse\)\n$/);
    expect(code).toBe(4);
  });

  test('what the token does not permit is told with its code', async () => {
    const { stdout: token } = await run('token', '--role', 'observer');
    const pub = await start(['pub', 'task.x', 'x'], { env: { MILLRACE_TOKEN: String(token).trim() } })
      .finished;
    expect(pub.stderr).toMatch(/forbidden/);
    expect(pub.code).toBe(4);
  });
});

describe('token', () => {
  test('prints only a token, which works', async () => {
    const args = [
      'token',
      '--role',
      'publisher,observer',
      '--sub',
      'ci',
      '--entity',
      'acme',
      '--ttl',
      '5m',
      '--publish',
      'build.*',
    ];
    const { stdout, stderr, code } = await run(...args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(String(stdout)).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const claims = JSON.parse(Buffer.from(String(stdout).split('.')[1] ?? '', 'base64url').toString());
    expect(claims).toMatchObject({
      sub: 'ci',
      entity: 'acme',
      roles: ['publisher', 'observer'],
      topics: { publish: ['build.*'] },
    });
    expect(claims.exp - claims.iat).toBe(300);
    const env = { MILLRACE_TOKEN: String(stdout).trim() };
    expect((await start(['pub', 'build.a', 'x'], { env }).finished).code).toBe(0);
    expect((await start(['pub', 'task.a', 'x'], { env }).finished).code).toBe(4);
  });

  test('refuses a lifetime that the server would refuse', async () => {
    const { code, stderr } = await run('token', '--role', 'observer', '--ttl', '31d');
    expect(stderr).toMatch(/--ttl: .*longer than 30d \(auth\.maxTokenLifetime\)/);
    expect(code).toBe(2);
  });

  test('refuses a role that does not exist', async () => {
    const { code, stderr } = await run('token', '--role', 'root');
    expect(code).toBe(2);
    expect(stderr).toContain('Roles are observer, member, agent, publisher, admin.');
  });
});

describe('config', () => {
  test('check prints what is used, without secrets', async () => {
    const secret = 'a secret that has more than 32 characters';
    const { stdout, code } = await start(['config', 'check'], {
      env: { MILLRACE_AUTH_SECRET: secret, MILLRACE_SERVER_PORT: '7' },
    }).finished;
    expect(code).toBe(0);
    expect(JSON.parse(String(stdout))).toMatchObject({ server: { port: 7 }, auth: { secret: '(secret)' } });
    expect(String(stdout)).not.toContain(secret);
    expect(JSON.parse(String(stdout)).llm.providers).toEqual({});
  });

  test('check names the families of the configuration, whose functions cannot be shown', async () => {
    const families = [
      {
        name: 'order',
        description: 'Orders.',
        topics: ['orders.*'],
        events: [{ name: 'order.lost', description: 'Lost.', data: { type: 'object' }, example: {} }],
      },
    ];
    const { stdout, code } = await start(['config', 'check'], {
      env: { MILLRACE_FAMILIES: JSON.stringify(families) },
    }).finished;
    expect(code).toBe(0);
    expect(JSON.parse(String(stdout))).toMatchObject({ families: ['order'] });
  });

  test('check says what is wrong', async () => {
    const { stderr, code } = await start(['config', 'check'], { env: { MILLRACE_SERVER_PORT: 'x' } })
      .finished;
    expect(code).toBe(2);
    expect(stderr).toBe('millrace: MILLRACE_SERVER_PORT must be integer, not "x"\n');
  });

  test('check names the file and line whose TypeScript breaks', async () => {
    writeFileSync(join(cwd, 'broken.ts'), 'export const orders = {};\nexport const more = [ };\n');
    const config = join(cwd, 'broken.config.ts');
    writeFileSync(config, "import { orders } from './broken.ts';\nexport default orders;\n");
    const { stderr, code } = await run('config', 'check', '--config', config);
    expect(code).toBe(2);
    expect(stderr).toMatch(/broken\.config\.ts cannot be read: .* \(broken\.ts, line 2\)\n$/);
  });

  test('default and doc print the defaults and the reference', async () => {
    const defaults = JSON.parse(String((await run('config', 'default')).stdout));
    expect(defaults.limits.heartbeat).toBe('30s');
    expect(String((await run('config', 'doc')).stdout)).toMatch(/^# Configuration\n/);
  });
});
