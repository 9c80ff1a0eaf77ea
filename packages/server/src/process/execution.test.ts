import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '@millrace/testkit';
import { describe, expect, test } from 'vitest';
import { Execution, type ExecutionOptions } from './execution.ts';
import type { Recording } from './recording.ts';
import { loadTerminals } from './terminal-child.ts';

interface Recorded {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly seal: boolean;
}

/** A recording that is never full, unless the test says so. */
class Tape implements Recording {
  readonly events: Recorded[] = [];
  full = false;
  #room = Promise.withResolvers<void>();

  record(event: string, data: Readonly<Record<string, unknown>>, { seal = false } = {}): void {
    this.events.push({ event, data, seal });
  }

  room(): Promise<void> {
    return this.#room.promise;
  }

  makeRoom(): void {
    this.full = false;
    this.#room.resolve();
    this.#room = Promise.withResolvers();
  }

  get output(): string {
    return Buffer.concat(
      this.events
        .filter(({ event }) => event === 'tool.output')
        .map(({ data }) => Buffer.from(String(data.output), data.encoding === 'base64' ? 'base64' : 'utf8')),
    ).toString();
  }

  get last(): Recorded | undefined {
    return this.events.at(-1);
  }
}

const isGone = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
};

function run(args: readonly string[], options: Partial<ExecutionOptions> = {}, tape: Tape = new Tape()) {
  const [command = '', ...rest] = args;
  const execution = new Execution(
    { command, args: rest },
    { stdin: 'ignore', ownGroup: true, ...options },
    tape,
  );
  return { execution, tape };
}

/** A shell and its child, which both outlive SIGTERM, and say who they are. */
const STUBBORN = `trap '' TERM; (trap '' TERM; while :; do sleep 0.1; done) & echo "pids $$ $!"; while :; do sleep 0.1; done`;

const pidsOf = (tape: Tape): number[] => /pids (\d+) (\d+)/.exec(tape.output)?.slice(1).map(Number) ?? [];

describe('an execution', () => {
  test('tells its life, and seals with its end', async () => {
    const { execution, tape } = run(['sh', '-c', 'echo out; echo err >&2; exit 3'], {
      about: { control: ['cancel'] },
    });
    expect(await execution.finished).toEqual({ kind: 'exited', exitCode: 3 });
    expect(tape.events[0]).toMatchObject({
      event: 'tool.started',
      data: { command: 'sh', pid: execution.pid, cwd: process.cwd(), control: ['cancel'] },
    });
    expect(tape.last).toMatchObject({ event: 'tool.completed', data: { exit_code: 3 }, seal: true });
  });

  test('types into the input, and ends it', async () => {
    const { execution, tape } = run(['cat'], { stdin: 'pipe' });
    execution.write(Buffer.from('typed ✓'));
    execution.endInput();
    await execution.finished;
    expect(tape.output).toBe('typed ✓');
  });

  test('a signal reaches everything that the command started', async () => {
    const { execution, tape } = run(['sh', '-c', 'sleep 600 & echo "pids $$ $!"; wait']);
    await until(() => pidsOf(tape).length === 2, 'the shell to tell its pids');
    execution.signal('SIGINT');
    // The shell ignores it for its background child, which SIGTERM reaches all the same.
    execution.signal('SIGTERM');
    expect(await execution.finished).toMatchObject({ kind: 'exited', exitCode: expect.any(Number) });
    await until(() => pidsOf(tape).every(isGone), 'both to be gone');
  });

  test('cancelling asks first, and kills the whole group after the grace', async () => {
    const { execution, tape } = run(['sh', '-c', STUBBORN], { graceMs: 200 });
    await until(() => pidsOf(tape).length === 2, 'the shell to tell its pids');
    execution.cancel({ reason: 'cancelled', by: 'ann', note: 'wrong branch' });
    execution.cancel({ reason: 'timeout' });
    expect(await execution.finished).toMatchObject({ exitCode: 137, signal: 'SIGKILL' });
    expect(tape.last).toMatchObject({
      event: 'tool.completed',
      data: {
        exit_code: 137,
        signal: 'SIGKILL',
        reason: 'cancelled',
        cancelled_by: 'ann',
        note: 'wrong branch',
      },
    });
    await until(() => pidsOf(tape).every(isGone), 'both to be gone');
  });

  test('who shares our process group is cancelled with its descendants, and we are not', async () => {
    const { execution, tape } = run(['sh', '-c', STUBBORN], { graceMs: 100, ownGroup: false });
    await until(() => pidsOf(tape).length === 2, 'the shell to tell its pids');
    execution.cancel({ reason: 'cancelled' });
    expect(await execution.finished).toMatchObject({ signal: 'SIGKILL' });
    await until(() => pidsOf(tape).every(isGone), 'both to be gone');
  });

  test('does not wait for what a command leaves behind that ends upon a signal to us', async () => {
    const { execution, tape } = run(
      ['sh', '-c', 'sleep 600 & trap "exit 4" TERM; echo "pids $$ $!"; while :; do sleep 0.1; done'],
      { ownGroup: false },
    );
    await until(() => pidsOf(tape).length === 2, 'the shell to tell its pids');
    execution.forward('SIGTERM');
    expect(await execution.finished).toMatchObject({ exitCode: 4 });
    const [, left] = pidsOf(tape);
    expect(isGone(left!)).toBe(false);
    process.kill(left!);
  });

  test('is cancelled when its time is over', async () => {
    const { execution, tape } = run(['sleep', '600'], { timeoutMs: 50 });
    expect(await execution.finished).toMatchObject({ exitCode: 143, signal: 'SIGTERM' });
    expect(tape.last?.data).toMatchObject({ reason: 'timeout', exit_code: 143 });
  });

  test('does not wait for who left the group and holds the pipes, once it is cancelled', async () => {
    const { execution, tape } = run(['sh', '-c', 'setsid sleep 600 & echo "pids $$ $!"'], { graceMs: 50 });
    await execution.exited;
    await until(() => pidsOf(tape).length === 2, 'the shell to tell its pids');
    execution.cancel({ reason: 'cancelled' });
    await execution.finished;
    process.kill(pidsOf(tape)[1] ?? 0);
  });

  test.for([
    [['no-such-command'], 127, 'no-such-command: command not found'],
    [[import.meta.filename], 126, `${import.meta.filename}: cannot be executed (EACCES)`],
  ] as const)('%j cannot be started: %d', async ([args, exitCode, message]) => {
    for (const terminal of [undefined, { maker: await loadTerminals(), size: { columns: 80, rows: 24 } }]) {
      const { execution, tape } = run(args, { terminal });
      expect(await execution.finished).toEqual({ kind: 'failed', exitCode, message });
      expect(tape.events).toMatchObject([
        { event: 'tool.failed', data: { exit_code: exitCode, error: message }, seal: true },
      ]);
    }
  });

  test('a folder that is not there is told as that', async () => {
    const tape = new Tape();
    const execution = new Execution(
      { command: 'ls', args: [], cwd: '/no/such/folder' },
      { stdin: 'ignore', ownGroup: true },
      tape,
    );
    expect(await execution.finished).toMatchObject({
      kind: 'failed',
      message: expect.stringContaining('/no/such/folder'),
    });
  });
});

describe('on a terminal', () => {
  const onTerminal = async (args: readonly string[], tape?: Tape) =>
    run(args, { terminal: { maker: await loadTerminals(), size: { columns: 100, rows: 30 } } }, tape);

  test('the command has a terminal of the size, which can change', async () => {
    const { execution, tape } = await onTerminal([
      'sh',
      '-c',
      'test -t 0 && test -t 1 && test -t 2 && stty size; trap "stty size; exit 4" WINCH; echo ready; while :; do sleep 0.1; done',
    ]);
    await until(() => tape.output.includes('ready'), 'the trap to be set');
    execution.resize({ columns: 120, rows: 40 });
    expect(await execution.finished).toEqual({ kind: 'exited', exitCode: 4 });
    expect(tape.output).toBe('30 100\r\nready\r\n40 120\r\n');
    expect(tape.events[0]?.data).toMatchObject({ pty: { columns: 100, rows: 30 } });
  });

  test('typing is seen and read, Ctrl-C interrupts, and the signal is told', async () => {
    const { execution, tape } = await onTerminal(['sh', '-c', 'read line; echo "got $line"; sleep 600']);
    execution.write(Buffer.from('hello\r'));
    await until(() => tape.output.includes('got hello'), 'the line to be read');
    execution.write(Buffer.from('\u0003'));
    expect(await execution.finished).toMatchObject({ exitCode: 130, signal: 'SIGINT' });
  });

  test('the end of the input is Ctrl-D', async () => {
    const { execution } = await onTerminal(['cat']);
    execution.endInput();
    expect(await execution.finished).toMatchObject({ exitCode: 0 });
  });

  test('what was printed last is not lost when the recording is full at the end', async () => {
    const tape = new Tape();
    tape.full = true;
    const { execution } = await onTerminal(['sh', '-c', 'seq 1 9000; echo the end'], tape);
    await until(() => execution.pid !== undefined && isGone(execution.pid), 'the command to end');
    tape.makeRoom();
    await execution.finished;
    expect(tape.output.endsWith('9000\r\nthe end\r\n')).toBe(true);
    expect(tape.output.match(/\n/g)).toHaveLength(9001);
  });

  test('cancelling ends everything on it', async () => {
    const { execution, tape } = run(['sh', '-c', STUBBORN], {
      graceMs: 100,
      terminal: { maker: await loadTerminals(), size: { columns: 80, rows: 24 } },
    });
    await until(() => pidsOf(tape).length === 2, 'the shell to tell its pids');
    execution.cancel({ reason: 'cancelled' });
    expect(await execution.finished).toMatchObject({ signal: 'SIGKILL' });
    await until(() => pidsOf(tape).every(isGone), 'both to be gone');
  });
});

describe('the watchdog', () => {
  const OWNER = fileURLToPath(new URL('./fixtures/watchdog-owner.ts', import.meta.url));

  test.runIf(existsSync('/bin/sh'))(
    'ends the command and does the rest when its owner is killed',
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'millrace-watchdog-'));
      const note = join(folder, 'note');
      const owner = spawn(process.execPath, ['--conditions=source', OWNER, note], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const [said] = (await once(owner.stdout, 'data')) as [Buffer];
      const child = Number(/child (\d+)/.exec(String(said))?.[1]);
      owner.kill('SIGKILL');
      await until(() => isGone(child), 'the command to be ended', 20_000);
      await until(() => existsSync(note), 'what comes afterwards', 20_000);
      rmSync(folder, { recursive: true });
    },
    60_000,
  );
});
