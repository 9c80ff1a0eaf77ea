import { constants } from 'node:os';

/** Exit statuses of a command that could not be started, as shells have them. */
const NOT_EXECUTABLE = 126;
const NOT_FOUND = 127;

/** How a command ended. `exitCode` is what a shell would say: 128 and the signal's number after a signal. */
export type Outcome =
  | { readonly kind: 'exited'; readonly exitCode: number; readonly signal?: NodeJS.Signals }
  /** It was never started. */
  | { readonly kind: 'failed'; readonly exitCode: number; readonly message: string };

export function exitedWith(code: number | null, signal: NodeJS.Signals | null): Outcome {
  if (signal === null) return { kind: 'exited', exitCode: code ?? 1 };
  return { kind: 'exited', exitCode: 128 + constants.signals[signal], signal };
}

/** What the system's answer to an attempt to start a command means. */
export function failureOf(command: string, error: NodeJS.ErrnoException): Outcome {
  const notFound = error.code === 'ENOENT';
  const reason = notFound ? 'command not found' : `cannot be executed (${error.code ?? error.message})`;
  return {
    kind: 'failed',
    exitCode: notFound ? NOT_FOUND : NOT_EXECUTABLE,
    message: `${command}: ${reason}`,
  };
}

export function noSuchFolder(cwd: string): Outcome {
  return { kind: 'failed', exitCode: NOT_EXECUTABLE, message: `${cwd}: there is no such folder to run in` };
}
