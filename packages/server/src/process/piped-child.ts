import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { Child, Command } from './child.ts';
import { exitedWith, failureOf, type Outcome } from './outcome.ts';
import type { StreamName } from './output-chunker.ts';
import { openPipes } from './pipes.ts';

export interface PipedOptions {
  /** Where its input comes from: ours, from {@link Child.write}, or nowhere. */
  readonly stdin: 'inherit' | 'pipe' | 'ignore';
  /** In a session and process group of its own, away from our terminal. */
  readonly ownGroup: boolean;
}

function waitForExit(command: string, child: ChildProcess): Promise<Outcome> {
  return new Promise((resolve) => {
    child.once('error', (error) => {
      // Later errors (a signal that could not be sent) do not end the child.
      if (child.pid === undefined) resolve(failureOf(command, error));
    });
    child.once('exit', (code, signal) => resolve(exitedWith(code, signal)));
  });
}

/** Some failures to start are thrown, others come as the child's `error`; see {@link waitForExit}. */
function spawnPiped(
  { command, args, cwd, env }: Command,
  { stdin, ownGroup }: PipedOptions,
): { readonly child: ChildProcess; readonly outputs: Child['outputs'] } {
  const options = { cwd, env, detached: ownGroup };
  const pipes = openPipes();
  if (pipes === undefined) {
    const child = spawn(command, args, { ...options, stdio: [stdin, 'pipe', 'pipe'] });
    // Of these, Node knows that they are pipes.
    const { stdout, stderr } = child as ChildProcess & Record<StreamName, Readable>;
    return {
      child,
      outputs: [
        { stream: 'stdout', source: stdout },
        { stream: 'stderr', source: stderr },
      ],
    };
  }
  const { stdout, stderr } = pipes;
  try {
    const child = spawn(command, args, { ...options, stdio: [stdin, stdout.writer, stderr.writer] });
    const outputs = [
      { stream: 'stdout', source: stdout.reader },
      { stream: 'stderr', source: stderr.reader },
    ] as const;
    return { child, outputs };
  } catch (error) {
    stdout.reader.destroy();
    stderr.reader.destroy();
    throw error;
  } finally {
    pipes.closeWriters();
  }
}

/** Starts a command whose stdout and stderr are pipes. Throws what the system says of one that cannot be started. */
export function startPiped(command: Command, options: PipedOptions): Child {
  const { child, outputs } = spawnPiped(command, options);
  // Who ends without reading its input is no fault of ours.
  child.stdin?.on('error', () => {});
  return {
    pid: child.pid,
    ownGroup: options.ownGroup,
    outputs,
    exited: waitForExit(command.command, child),
    write: (bytes) => void child.stdin?.write(bytes),
    endInput: () => void child.stdin?.end(),
    resize: () => {},
  };
}
