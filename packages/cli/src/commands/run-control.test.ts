import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadTerminals } from '@millrace/server/process';
import { ApiClient, until } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { MAIN, Millrace, type Served, serve } from '../../test/millrace.ts';
import { userName } from '../user-name.ts';

// Each test is several processes.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let cwd: string;
let server: Served;
let admin: ApiClient;

const tokenFor = async (role: string): Promise<string> =>
  String((await new Millrace(['token', '--role', role], { cwd }).finished).stdout).trim();

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'millrace-run-'));
  writeFileSync(
    join(cwd, 'millrace.config.json'),
    JSON.stringify({ processes: { commands: [{ name: 'sleep', command: 'sleep', args: ['600'] }] } }),
  );
  server = await serve(cwd);
  admin = new ApiClient(server.url, await tokenFor('admin'));
});
afterAll(async () => {
  server.process.kill('SIGKILL');
  await server.process.finished;
  rmSync(cwd, { recursive: true });
});

interface ToolEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly sealed?: true;
}

async function read(topic: string): Promise<readonly ToolEvent[]> {
  const args = ['sub', topic, '--since', 'earliest', '--json', '--until-sealed', '--url', server.url];
  const { stdout } = await new Millrace(args, { cwd }).finished;
  const lines = String(stdout).trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as ToolEvent);
}

const outputOf = (events: readonly ToolEvent[]): string =>
  events.map(({ data }) => data.output ?? '').join('');

/** A run that is under way, when its command has said that it is up. */
async function start(args: readonly string[]): Promise<{ running: Millrace; id: string }> {
  const running = new Millrace(['run', ...args], { cwd, env: { MILLRACE_URL: server.url } });
  const [, id = ''] = await running.waitFor('stderr', /recording on tool\.(\S+):/);
  await running.waitFor('stdout', /up/);
  return { running, id };
}

const isGone = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
};

const SLEEPER = ['--', 'sh', '-c', 'echo "up $$"; while :; do sleep 0.1; done'];

describe('[PROC-4] millrace run', () => {
  test('is cancelled by a viewer who may', async () => {
    const { running, id } = await start(SLEEPER);
    expect(await admin.delete(`/api/v1/processes/${id}`)).toMatchObject({ status: 202 });
    const { code, stderr } = await running.finished;
    expect(code).toBe(143);
    expect(stderr).toContain(`millrace: cancelled by "${userName()}"`);
    const events = await read(`tool.${id}`);
    expect(events[0]?.data.control).toEqual(['cancel', 'signal']);
    expect(events.at(-1)?.data).toMatchObject({
      exit_code: 143,
      reason: 'cancelled',
      cancelled_by: userName(),
    });
  });

  test('is killed after the grace when its command does not care', async () => {
    const stubborn = `trap '' TERM; echo up; while :; do sleep 0.1; done`;
    const { running, id } = await start(['--grace', '200ms', '--', 'sh', '-c', stubborn]);
    await admin.delete(`/api/v1/processes/${id}`);
    expect((await running.finished).code).toBe(137);
  });

  test('types what viewers type, when its own stdin is not to be used', async () => {
    const { running, id } = await start(['--stdin', 'viewers', '--', 'sh', '-c', 'echo up; cat']);
    await admin.post(`/api/v1/processes/${id}/stdin`, { data: 'typed ✓\n', end: true });
    const finished = await running.finished;
    expect(finished.code).toBe(0);
    expect(String(finished.stdout)).toBe('up\ntyped ✓\n');
  });

  test('does not type what viewers type while its own stdin is in use', async () => {
    const { running, id } = await start(['--', 'sh', '-c', 'echo up; cat']);
    await admin.post(`/api/v1/processes/${id}/stdin`, { data: 'from a viewer' });
    await admin.post(`/api/v1/processes/${id}/signal`, { signal: 'SIGUSR1' });
    // Signals come the same way, so what was typed is past.
    expect((await running.finished).code).toBe(138);
    expect(running.stdout).toBe('up\n');
  });

  test('with --no-control takes nothing from viewers', async () => {
    const { running, id } = await start(['--no-control', '--', 'sh', '-c', 'echo up; read line']);
    await admin.delete(`/api/v1/processes/${id}`);
    running.child.stdin?.end('done\n');
    expect((await running.finished).code).toBe(0);
    expect((await read(`tool.${id}`))[0]?.data.control).toBeUndefined();
  });
});

describe('millrace run --pty', () => {
  test('gives the command a terminal, typed into by our stdin', async () => {
    const script = 'test -t 0 && test -t 1 && stty size && echo up; read line; echo "got $line"; exit 3';
    const { running, id } = await start(['--pty', '--', 'sh', '-c', script]);
    running.child.stdin?.write('hi\n');
    const finished = await running.finished;
    expect(finished.code).toBe(3);
    expect(String(finished.stdout)).toBe('24 80\r\nup\r\nhi\r\ngot hi\r\n');
    const events = await read(`tool.${id}`);
    expect(events[0]?.data).toMatchObject({ pty: { columns: 80, rows: 24 } });
    expect(outputOf(events)).toBe(String(finished.stdout));
  });

  test('types what is typed on our terminal key by key, and has its size, also when that changes', async () => {
    const { spawn } = await loadTerminals();
    const script =
      'stty size; echo up; read line; echo "got $line"; trap "stty size; exit 5" WINCH; echo ready; while :; do sleep 0.1; done';
    const terminal = spawn(
      process.execPath,
      ['--conditions=source', MAIN, 'run', '-q', '--pty', '--', 'sh', '-c', script],
      { cols: 90, rows: 20, cwd, env: { PATH: process.env.PATH, HOME: cwd, MILLRACE_URL: server.url } },
    );
    let seen = '';
    terminal.onData((text) => {
      seen += text;
    });
    const exited = new Promise<number>((resolve) => terminal.onExit(({ exitCode }) => resolve(exitCode)));
    await until(() => seen.includes('up'), 'the command to be up', 20_000);
    terminal.write('hi\r');
    await until(() => seen.includes('got hi'), 'the line to be read');
    await until(() => seen.includes('ready'), 'the trap to be set');
    terminal.resize(110, 33);
    expect(await exited).toBe(5);
    expect(seen).toContain('20 90');
    expect(seen).toContain('33 110');
  });

  test('[PROC-4] lets viewers type and resize, when they are who types', async () => {
    const script = 'echo up; read line; stty size; echo "got $line"';
    const { running, id } = await start(['--pty', '--stdin', 'viewers', '--', 'sh', '-c', script]);
    await admin.post(`/api/v1/processes/${id}/resize`, { columns: 101, rows: 33 });
    await admin.post(`/api/v1/processes/${id}/stdin`, { data: 'hello\r' });
    const finished = await running.finished;
    expect(String(finished.stdout)).toContain('33 101\r\ngot hello');
    expect((await read(`tool.${id}`))[0]?.data.control).toEqual(['cancel', 'signal', 'stdin', 'resize']);
  });
});

test('--timeout cancels', async () => {
  const { running, id } = await start(['--timeout', '300ms', ...SLEEPER]);
  const { code, stderr } = await running.finished;
  expect(code).toBe(143);
  expect(stderr).toContain('longer than --timeout allows');
  expect((await read(`tool.${id}`)).at(-1)?.data).toMatchObject({ reason: 'timeout' });
});

test('[PROC-6] a run that is killed leaves no command behind, and a topic that is sealed', async () => {
  const { running, id } = await start(['--grace', '1s', ...SLEEPER]);
  const pid = Number(/up (\d+)/.exec(running.stdout)?.[1]);
  running.kill('SIGKILL');
  await running.finished;
  await until(() => isGone(pid), 'the command to be ended', 20_000);
  const events = await read(`tool.${id}`);
  expect(events.at(-1)).toMatchObject({
    event: 'tool.failed',
    data: { execution_id: id, reason: 'recorder-lost' },
    sealed: true,
  });
});

test('[PROC-6] a server that is killed leaves no command behind, and seals its topic when it is back', async () => {
  const { body } = await admin.post<{ id: string; topic: string }>('/api/v1/processes', { command: 'sleep' });
  const { pid = 0 } = (await admin.get<{ pid: number }>(`/api/v1/processes/${body.id}`)).body;
  expect(pid).toBeGreaterThan(0);
  const { port } = new URL(server.url);
  server.process.kill('SIGKILL');
  await server.process.finished;
  await until(() => isGone(pid), 'the command to be ended', 20_000);
  server = await serve(cwd, ['--port', port]);
  expect((await read(body.topic)).at(-1)).toMatchObject({
    event: 'tool.failed',
    data: { execution_id: body.id, reason: 'server-restarted' },
    sealed: true,
  });
});
