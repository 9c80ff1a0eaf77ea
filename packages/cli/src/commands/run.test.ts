import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Finished, Millrace, type Served, serve } from '../../test/millrace.ts';

// Each test is several processes.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let cwd: string;
let server: Served;

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'millrace-run-'));
  server = await serve(cwd);
});
afterAll(async () => {
  server.process.kill('SIGKILL');
  await server.process.finished;
  rmSync(cwd, { recursive: true });
});

function script(name: string, code: string): string {
  const path = join(cwd, name);
  writeFileSync(path, code);
  return path;
}

function start(args: readonly string[], input?: string): Millrace {
  const options = { cwd, env: { MILLRACE_URL: server.url } };
  return new Millrace(['run', ...args], input === undefined ? options : { ...options, input });
}

interface ToolEvent {
  readonly event: string;
  readonly data: {
    readonly execution_id: string;
    readonly output: string;
    readonly is_stderr: boolean;
    readonly encoding?: 'base64';
    readonly [field: string]: unknown;
  };
  readonly sealed?: true;
}

async function read(topic: string): Promise<readonly ToolEvent[]> {
  const args = ['sub', topic, '--since', 'earliest', '--json', '--until-sealed', '--url', server.url];
  const { code, stdout } = await new Millrace(args, { cwd }).finished;
  expect(code).toBe(0);
  return String(stdout)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as ToolEvent);
}

function outputOf(events: readonly ToolEvent[], isStderr: boolean): Buffer {
  return Buffer.concat(
    events
      .filter(({ event, data }) => event === 'tool.output' && data.is_stderr === isStderr)
      .map(({ data }) => Buffer.from(data.output, data.encoding ?? 'utf8')),
  );
}

const topicOf = ({ stderr }: { readonly stderr: string }): string =>
  /recording on (\S+):/.exec(stderr)?.[1] ?? '';
const withoutStatus = (stderr: string): string => stderr.replace(/^millrace: .*\n/gm, '');

test('streams a command: its bytes, its order, its exit status; and is like the command alone', async () => {
  const path = script(
    'mixed.js',
    `const { writeSync } = require('node:fs');
     writeSync(1, 'grüße \\u001b[31mred\\u001b[0m ✓\\n');
     writeSync(2, 'warning\\n');
     writeSync(1, Buffer.from([0xff, 0xfe, 0x00, 0x0a]));
     process.exit(7);`,
  );
  const finished = await start(['--', process.execPath, path, '--flag']).finished;
  const topic = topicOf(finished);
  expect(finished.code).toBe(7);
  expect(withoutStatus(finished.stderr)).toBe('warning\n');
  expect(finished.stderr).toContain(`${server.url}/#/tools/${topic}`);
  const events = await read(topic);
  const id = topic.replace('tool.', '');
  expect(events[0]).toMatchObject({
    event: 'tool.started',
    data: {
      execution_id: id,
      command: process.execPath,
      args: [path, '--flag'],
      cwd,
      pid: expect.any(Number),
    },
  });
  expect(events.at(-1)).toMatchObject({
    event: 'tool.completed',
    data: { execution_id: id, exit_code: 7, duration_ms: expect.any(Number) },
    sealed: true,
  });
  expect(outputOf(events, false).equals(finished.stdout)).toBe(true);
  expect(outputOf(events, true).toString()).toBe('warning\n');
});

test('any bytes, faster than they can be stored, arrive whole', async () => {
  const path = script(
    'bytes.js',
    `const { createHash } = require('node:crypto');
     const bytes = (n) => Buffer.concat(Array.from({ length: n }, (_, i) => createHash('sha512').update(String(i)).digest()));
     process.stdout.write(bytes(20_000));
     process.stderr.write('\\u0001'.repeat(300_000));
     process.stdout.write('é'.repeat(500_000));`,
  );
  const finished = await start(['--quiet', '--topic', 'tool.bytes', '--', process.execPath, path]).finished;
  expect(finished.code).toBe(0);
  expect(finished.stdout.length).toBe(20_000 * 64 + 1_000_000);
  const events = await read('tool.bytes');
  expect(outputOf(events, false).equals(finished.stdout)).toBe(true);
  expect(outputOf(events, true).toString()).toBe('\u0001'.repeat(300_000));
  expect(finished.stderr).toBe('\u0001'.repeat(300_000));
});

test('the command may open its output by name, as alone', async () => {
  const finished = await start(['-q', '--', 'sh', '-c', 'echo out > /dev/stdout; echo err > /dev/stderr'])
    .finished;
  expect(finished).toMatchObject({ code: 0, stdout: Buffer.from('out\n'), stderr: 'err\n' });
});

test('stdin is the command’s', async () => {
  const finished = await start(['-q', '--topic', 'tool.cat', '--', 'cat'], 'a line\n').finished;
  expect(String(finished.stdout)).toBe('a line\n');
});

test('a server that is killed and comes back costs no byte, no order and no exit status', async () => {
  const path = script(
    'batches.js',
    `const { writeSync } = require('node:fs');
     let n = 0;
     const batch = () => {
       for (let i = 0; i < 1000; i++) writeSync(1 + (Math.floor(++n / 100) % 2), 'line ' + n + ' ✓\\n');
       writeSync(1, 'batch ' + n + ' done\\n');
     };
     batch();
     process.stdin.on('data', (bytes) => { for (const _ of bytes) batch(); });
     process.stdin.on('end', () => process.exit(5));`,
  );
  const running = start(['--', process.execPath, path]);
  await running.waitFor('stdout', /batch 1000 done/);
  const { port } = new URL(server.url);
  server.process.kill('SIGKILL');
  await server.process.finished;
  await running.waitFor('stderr', /connection lost; the output waits here/);
  running.child.stdin?.write('x');
  await running.waitFor('stdout', /batch 2000 done/);
  server = await serve(cwd, ['--port', port]);
  await running.waitFor('stderr', /connected again/);
  running.child.stdin?.end('x');
  const finished = await running.finished;
  expect(finished.code).toBe(5);
  const events = await read(topicOf(finished));
  const lines = (parity: number): string =>
    Array.from({ length: 3000 }, (_, i) => i + 1)
      .flatMap((n) => [
        ...(Math.floor(n / 100) % 2 === parity ? [`line ${n} ✓\n`] : []),
        ...(n % 1000 === 0 && parity === 0 ? [`batch ${n} done\n`] : []),
      ])
      .join('');
  expect(outputOf(events, false).toString()).toBe(lines(0));
  expect(outputOf(events, true).toString()).toBe(lines(1));
  expect(String(finished.stdout)).toBe(lines(0));
  expect(events.at(-1)).toMatchObject({ event: 'tool.completed', data: { exit_code: 5 }, sealed: true });
});

describe('ends', () => {
  const events = async (finished: Finished) =>
    (await read(topicOf(finished))).map(({ event, data }) => ({ event, data }));

  test('a signal to us is one to the command, whose end is ours', async () => {
    const running = start(['--', process.execPath, '-e', 'console.log("up"); setInterval(() => {}, 1000)']);
    await running.waitFor('stdout', /up/);
    running.kill('SIGTERM');
    const finished = await running.finished;
    expect(finished.code).toBe(143);
    expect((await events(finished)).at(-1)).toMatchObject({
      event: 'tool.completed',
      data: { exit_code: 143, signal: 'SIGTERM' },
    });
  });

  test('a command that handles the signal ends as it wants', async () => {
    const code =
      'process.on("SIGINT", () => process.exit(3)); console.log("up"); setInterval(() => {}, 1000)';
    const running = start(['--', process.execPath, '-e', code]);
    await running.waitFor('stdout', /up/);
    running.kill('SIGINT');
    expect((await running.finished).code).toBe(3);
  });

  test('a command that is not there', async () => {
    const finished = await start(['--', 'no-such-command', 'x']).finished;
    expect(finished.code).toBe(127);
    expect(finished.stderr).toContain('no-such-command: command not found');
    expect(await events(finished)).toMatchObject([
      { event: 'tool.failed', data: { error: 'no-such-command: command not found', exit_code: 127 } },
    ]);
    const args = ['sub', topicOf(finished), '--since', 'earliest', '--output', '--until-sealed'];
    const output = await new Millrace([...args, '--url', server.url], { cwd }).finished;
    expect(output).toMatchObject({ code: 0, stdout: Buffer.from('') });
    expect(output.stderr).toContain('no-such-command: command not found');
  });

  test('a command that cannot be executed', async () => {
    const finished = await start(['--', script('plain.txt', 'x')]).finished;
    expect(finished.code).toBe(126);
  });

  test.runIf(process.platform === 'linux')(
    'output of what it left behind is waited for, until a signal',
    async () => {
      const running = start(['--', 'sh', '-c', 'sleep 600 & echo "left $! of $$"; exit 4']);
      const [, left, shell] = await running.waitFor('stdout', /left (\d+) of (\d+)/);
      await until(() => !existsSync(`/proc/${shell}`), 'the shell to end');
      running.kill('SIGTERM');
      const finished = await running.finished;
      process.kill(Number(left));
      expect(finished.code).toBe(4);
      expect((await events(finished)).at(-1)).toMatchObject({
        event: 'tool.completed',
        data: { exit_code: 4 },
      });
    },
  );

  test('a reader that goes away ends the command as it would alone', async () => {
    const running = start(['-q', '--topic', 'tool.yes', '--', 'yes']);
    await running.waitFor('stdout', /y\ny\n/);
    running.child.stdout?.destroy();
    expect((await running.finished).code).toBe(141);
    const last = (await read('tool.yes')).at(-1);
    expect(last).toMatchObject({ event: 'tool.completed', data: { exit_code: 141, signal: 'SIGPIPE' } });
  });
});

describe('without a server', () => {
  const unreachable = { MILLRACE_URL: 'http://localhost:1' };

  test('the command is not started', async () => {
    const finished = await new Millrace(['run', '--', 'echo', 'ran'], { cwd, env: unreachable }).finished;
    expect(finished).toMatchObject({ code: 125, stdout: Buffer.from('') });
    expect(finished.stderr).toMatch(/cannot reach .*\n.*\nthe command was not started; --best-effort/);
  });

  test('--best-effort runs it all the same', async () => {
    const args = ['run', '--best-effort', '--', 'sh', '-c', 'echo ran; exit 9'];
    const finished = await new Millrace(args, { cwd, env: unreachable }).finished;
    expect(finished).toMatchObject({ code: 9, stdout: Buffer.from('ran\n') });
  });

  test('what cannot be stored in time is told, and is the exit status of a command that went well', async () => {
    const running = start([
      '--flush-timeout',
      '1ms',
      '--',
      process.execPath,
      '-e',
      'process.stdin.resume(); console.log("up")',
    ]);
    await running.waitFor('stdout', /up/);
    const { port } = new URL(server.url);
    server.process.kill('SIGKILL');
    await running.waitFor('stderr', /connection lost/);
    running.child.stdin?.end();
    const finished = await running.finished;
    server = await serve(cwd, ['--port', port]);
    expect(finished.code).toBe(125);
    expect(finished.stderr).toMatch(
      /events? at the end were not stored: the server did not store them in time/,
    );
  });

  test('a refusal ends the recording, not the command', async () => {
    const token = await new Millrace(['token', '--role', 'observer'], { cwd }).finished;
    const env = { MILLRACE_URL: server.url, MILLRACE_TOKEN: String(token.stdout).trim() };
    const finished = await new Millrace(['run', '--', 'echo', 'ran'], { cwd, env }).finished;
    expect(finished).toMatchObject({ code: 125, stdout: Buffer.from('ran\n') });
    expect(finished.stderr).toMatch(/forbidden.*\nthe command goes on, and is no longer recorded/);
    expect(finished.stderr).not.toMatch(/connection lost/);
  });
});
