import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Millrace, serve } from '../../test/millrace.ts';

// Each test is several processes.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let cwd: string;
const running = new Set<Millrace>();
const start = (args: readonly string[], options: { env?: Record<string, string> } = {}): Millrace => {
  const started = new Millrace(args, { cwd, ...options });
  running.add(started);
  return started;
};

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'millrace-serve-'));
});
afterEach(async () => {
  for (const { child } of running) child.kill('SIGKILL');
  await Promise.all([...running].map(({ finished }) => finished));
  running.clear();
  rmSync(cwd, { recursive: true });
});

test('prints where it is, and a link whose token lets in; keeps the key to its user', async () => {
  const { process: server, url } = await serve(cwd);
  running.add(server);
  expect(url).toMatch(/^http:\/\/localhost:\d+$/);
  expect(server.stdout).toContain(join(cwd, '.millrace'));
  const [, token = ''] = await server.waitFor('stdout', new RegExp(`${url}/#token=(\\S+)`));
  expect(statSync(join(cwd, '.millrace', 'token-key')).mode & 0o777).toBe(0o600);
  const pub = await start(['pub', 'task.a', 'x', '--url', url, '--token', token]).finished;
  expect(pub.code).toBe(0);
});

test('publishes the figures of the host from its first second', async () => {
  const { process: server, url } = await serve(cwd);
  running.add(server);
  const sub = start(['sub', 'host.*', '--json', '--url', url]);
  const [line] = await sub.waitFor('stdout', /\{.*"host\.metrics".*\}/);
  expect(JSON.parse(line).data.cpu_count).toBeGreaterThan(0);
});

test('ends with 0 after SIGTERM, having said goodbye', async () => {
  const { process: server, url } = await serve(cwd);
  running.add(server);
  const sub = start(['sub', 'task.a', '--since', 'earliest', '--url', url]);
  const pub = await start(['pub', 'task.a', 'x', '--url', url]).finished;
  expect(pub.code).toBe(0);
  await sub.waitFor('stdout', /task\.a/);
  server.kill('SIGTERM');
  expect((await server.finished).code).toBe(0);
  await sub.waitFor('stderr', /connection lost/);
});

test('a second Ctrl-C ends it at once', async () => {
  const { process: server, url } = await serve(cwd);
  running.add(server);
  // A request that never ends holds the first one up.
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => {});
  socket.write('POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n');
  await once(socket, 'connect');
  server.kill('SIGINT');
  await server.waitFor('stderr', /stopping: .*once more to stop at once/);
  server.kill('SIGINT');
  expect((await server.finished).code).toBe(1);
});

test('says in one line that the port is busy, and how to go on', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as { port: number };
  const { code, stderr } = await start(['serve', '--port', String(port)]).finished;
  other.close();
  expect(code).toBe(1);
  expect(stderr).toBe(
    `millrace: 127.0.0.1:${port} is in use by another process; stop it, or choose another --port\n`,
  );
});

test('says in one line that the data folder is in use', async () => {
  const first = await serve(cwd);
  running.add(first.process);
  const { code, stderr } = await start(['serve', '--port', '0']).finished;
  expect(code).toBe(1);
  expect(stderr).toMatch(/^millrace: .*data folder.*in use by another process.*\n$/);
});

test('says in one line which file it cannot read, and which folder it cannot use', async () => {
  const file = join(cwd, 'no.pem');
  const tls = await start(['serve', '--port', '0', '--tls-cert', file, '--tls-key', file]).finished;
  expect(tls.stderr).toMatch(/^millrace: the certificate or its key cannot be read: .*no\.pem.*\n$/);
  expect(tls.code).toBe(2);
  writeFileSync(file, '');
  for (const command of ['serve --port 0', 'token --role admin']) {
    const { code, stderr } = await start([...command.split(' '), '--data', file]).finished;
    expect(stderr).toMatch(/^millrace: the data folder .*no\.pem cannot be used: .*\n$/);
    expect(code).toBe(1);
  }
});

test('refuses a key that is none, as part of the configuration', async () => {
  writeFileSync(
    join(cwd, 'millrace.config.json'),
    JSON.stringify({ auth: { publicKeys: ['-----BEGIN nothing'] } }),
  );
  const { code, stderr } = await start(['serve', '--port', '0']).finished;
  expect(stderr).toMatch(/^millrace: auth\.publicKeys\[0\] is not a public key in PEM/);
  expect(code).toBe(2);
});

test('takes flags, environment and file, and refuses what is wrong with where it stands', async () => {
  writeFileSync(join(cwd, 'millrace.config.json'), JSON.stringify({ limits: { hartbeat: '1s' } }));
  const env = { MILLRACE_SERVER_HOST: '' };
  const { code, stderr } = await start(['serve', '--port', 'http'], { env }).finished;
  expect(code).toBe(2);
  expect(stderr).toContain('--port must be integer, not "http"');
  expect(stderr).toContain(
    'millrace.config.json: limits.hartbeat is not an option; did you mean "heartbeat"?',
  );
});
