import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { isatty } from 'node:tty';
import { EXIT, type ExitCode, type HandledSignal, SIGNAL_NUMBERS } from '../exit-code.ts';
import { onceStopped } from '../interruption.ts';
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

/** Some failures to start are thrown, others come as the child's `error`; see {@link waitForExit}. */
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
export async function execute({ command, args }: Command): Promise<Outcome> {
  try {
    const child = spawn(command, args, { stdio: 'inherit' });
    const stopForwarding = forwardSignals(child);
    const outcome = await waitForExit(command, child);
    stopForwarding();
    return outcome;
  } catch (error) {
    return failureOf(command, error as NodeJS.ErrnoException);
  }
}

const producedAt = (): string => new Date().toISOString();

async function stream({ command, args }: Command, recorder: Recorder): Promise<Outcome> {
  const { child, stdout, stderr } = spawnPiped({ command, args });
  const exit = waitForExit(command, child);
  const stopForwarding = forwardSignals(child);
  const { pid } = child;
  if (pid !== undefined) {
    recorder.record('tool.started', { command, args, cwd: process.cwd(), pid, producedAt: producedAt() });
  }
  const output = new ChildOutput(recorder);
  const ended = [
    stdout && output.attach('stdout', stdout, process.stdout),
    stderr && output.attach('stderr', stderr, process.stderr),
  ];
  const outcome = await exit;
  // The pipes may hold output, and others may still write to them (a daemon left behind): until they end, or we are told to.
  const undo = onceStopped(() => {
    stdout?.destroy();
    stderr?.destroy();
  });
  await Promise.all(ended);
  undo();
  stopForwarding();
  output.end();
  return outcome;
}

/** As {@link execute}, and records its life and output; the last event seals the topic. */
export async function executeRecorded(command: Command, recorder: Recorder): Promise<Outcome> {
  const startedAt = performance.now();
  const outcome = await stream(command, recorder).catch((error: NodeJS.ErrnoException) =>
    failureOf(command.command, error),
  );
  const { exitCode: exit_code } = outcome;
  if (outcome.kind === 'failed') {
    const data = { ...command, error: outcome.message, exit_code, producedAt: producedAt() };
    recorder.record('tool.failed', data, { seal: true });
  } else {
    const duration_ms = Math.round(performance.now() - startedAt);
    const signal = outcome.signal === undefined ? {} : { signal: outcome.signal };
    recorder.record(
      'tool.completed',
      { exit_code, duration_ms, ...signal, producedAt: producedAt() },
      { seal: true },
    );
  }
  return outcome;
}
