import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { isatty } from 'node:tty';
import { EXIT, type ExitCode, type HandledSignal, SIGNAL_NUMBERS } from '../exit-code.ts';
import { ChildOutput } from './child-output.ts';
import { openPipes } from './pipes.ts';
import type { Recorder } from './recorder.ts';

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
}

export type Outcome =
  | { readonly kind: 'exited'; readonly exitCode: ExitCode; readonly signal?: NodeJS.Signals }
  | { readonly kind: 'failed'; readonly exitCode: ExitCode; readonly message: string };

function failureOf(command: string, error: NodeJS.ErrnoException): Outcome {
  const notFound = error.code === 'ENOENT';
  const reason = notFound ? 'command not found' : `cannot be executed (${error.code ?? error.message})`;
  return {
    kind: 'failed',
    exitCode: notFound ? EXIT.notFound : EXIT.notExecutable,
    message: `${command}: ${reason}`,
  };
}

function waitForExit(command: string, child: ChildProcess): Promise<Outcome> {
  return new Promise((resolve) => {
    child.once('error', (error) => {
      // Later errors (a signal that could not be sent) do not end the child.
      if (child.pid === undefined) resolve(failureOf(command, error));
    });
    child.once('exit', (code, signal) => {
      resolve(
        signal === null
          ? { kind: 'exited', exitCode: code ?? EXIT.failed }
          : { kind: 'exited', exitCode: 128 + constants.signals[signal], signal },
      );
    });
  });
}

interface Spawned {
  readonly child: ChildProcess;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
}

function spawnPiped({ command, args }: Command): Spawned {
  const pipes = openPipes();
  if (pipes === undefined) {
    const child = spawn(command, args, { stdio: ['inherit', 'pipe', 'pipe'] });
    return { child, stdout: child.stdout, stderr: child.stderr };
  }
  try {
    const child = spawn(command, args, { stdio: ['inherit', pipes.stdout.writer, pipes.stderr.writer] });
    return { child, stdout: pipes.stdout.reader, stderr: pipes.stderr.reader };
  } finally {
    pipes.closeWriters();
  }
}

/**
 * Passes signals on while the child runs; returns the undo. What a terminal sends, it sends to the child as well, which
 * shares its process group: passing it on would make two of one Ctrl-C.
 */
function forwardSignals(child: ChildProcess): () => void {
  const fromTerminal: readonly string[] = isatty(0) ? ['SIGINT', 'SIGQUIT'] : [];
  const forward = (signal: NodeJS.Signals): void => {
    if (!fromTerminal.includes(signal)) child.kill(signal);
  };
  const signals = Object.keys(SIGNAL_NUMBERS) as HandledSignal[];
  for (const signal of signals) process.on(signal, forward);
  return () => {
    for (const signal of signals) process.off(signal, forward);
  };
}

/** Runs a command in our place, not recorded: same stdin, same output, same signals. */
export async function execute(command: Command): Promise<Outcome> {
  const child = spawn(command.command, command.args, { stdio: 'inherit' });
  const stopForwarding = forwardSignals(child);
  const outcome = await waitForExit(command.command, child);
  stopForwarding();
  return outcome;
}

/** As {@link execute}, and records its life and output. */
export async function executeRecorded({ command, args }: Command, recorder: Recorder): Promise<Outcome> {
  const startedAt = performance.now();
  const producedAt = (): string => new Date().toISOString();
  const { child, stdout, stderr } = spawnPiped({ command, args });
  const exit = waitForExit(command, child);
  const stopForwarding = forwardSignals(child);
  const { pid } = child;
  if (pid !== undefined) {
    recorder.record('tool.started', { command, args, cwd: process.cwd(), pid, producedAt: producedAt() });
  }
  const output = new ChildOutput(recorder);
  // The pipes may hold output, and others may still write to them, after the child's end.
  const ended = [
    stdout && output.attach('stdout', stdout, process.stdout),
    stderr && output.attach('stderr', stderr, process.stderr),
  ];
  const outcome = await exit;
  await Promise.all(ended);
  stopForwarding();
  output.end();
  recordOutcome(outcome);
  return outcome;

  function recordOutcome(end: Outcome): void {
    if (end.kind === 'failed') {
      const { message: error, exitCode: exit_code } = end;
      recorder.record(
        'tool.failed',
        { command, args, error, exit_code, producedAt: producedAt() },
        { seal: true },
      );
      return;
    }
    const { exitCode: exit_code, signal } = end;
    const duration_ms = Math.round(performance.now() - startedAt);
    const data = {
      exit_code,
      duration_ms,
      ...(signal === undefined ? {} : { signal }),
      producedAt: producedAt(),
    };
    recorder.record('tool.completed', data, { seal: true });
  }
}
