import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { EXIT, type ExitCode, type HandledSignal, SIGNAL_NUMBERS } from '../exit-code.ts';
import { ChildOutput } from './child-output.ts';
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

function waitForEnd(command: string, child: ChildProcess): Promise<Outcome> {
  return new Promise((resolve) => {
    child.once('error', (error) => {
      // Later errors (a signal that could not be sent) do not end the child.
      if (child.pid === undefined) resolve(failureOf(command, error));
    });
    // Not `exit`: the pipes may still hold output.
    child.once('close', (code, signal) => {
      if (child.pid === undefined) return;
      resolve(
        signal === null
          ? { kind: 'exited', exitCode: code ?? EXIT.failed }
          : { kind: 'exited', exitCode: 128 + constants.signals[signal], signal },
      );
    });
  });
}

/**
 * Passes signals on while the child runs; returns the undo. What a terminal sends, it sends to the child as well, which
 * shares its process group: passing it on would make two of one Ctrl-C.
 */
function forwardSignals(child: ChildProcess): () => void {
  const fromTerminal: readonly string[] = process.stdin.isTTY ? ['SIGINT', 'SIGQUIT'] : [];
  const forward = (signal: NodeJS.Signals): void => {
    if (!fromTerminal.includes(signal)) child.kill(signal);
  };
  const signals = Object.keys(SIGNAL_NUMBERS) as HandledSignal[];
  for (const signal of signals) process.on(signal, forward);
  return () => {
    for (const signal of signals) process.off(signal, forward);
  };
}

/** Runs a command in our place: same stdin, same output, same signals; and records its life. */
export async function execute({ command, args }: Command, recorder: Recorder | undefined): Promise<Outcome> {
  const startedAt = performance.now();
  const child = spawn(command, args, {
    stdio: recorder === undefined ? 'inherit' : ['inherit', 'pipe', 'pipe'],
  });
  const end = waitForEnd(command, child);
  const stopForwarding = forwardSignals(child);
  const { pid, stdout, stderr } = child;
  let output: ChildOutput | undefined;
  if (recorder !== undefined && pid !== undefined) {
    recorder.record('tool.started', {
      command,
      args,
      cwd: process.cwd(),
      pid,
      producedAt: new Date().toISOString(),
    });
    output = new ChildOutput(recorder);
    if (stdout !== null) output.attach('stdout', stdout, process.stdout);
    if (stderr !== null) output.attach('stderr', stderr, process.stderr);
  }
  const outcome = await end;
  stopForwarding();
  output?.end();
  const producedAt = new Date().toISOString();
  if (outcome.kind === 'failed') {
    const { message, exitCode } = outcome;
    recorder?.record(
      'tool.failed',
      { command, args, error: message, exit_code: exitCode, producedAt },
      { seal: true },
    );
  } else {
    recorder?.record(
      'tool.completed',
      {
        exit_code: outcome.exitCode,
        duration_ms: Math.round(performance.now() - startedAt),
        ...(outcome.signal === undefined ? {} : { signal: outcome.signal }),
        producedAt,
      },
      { seal: true },
    );
  }
  return outcome;
}
