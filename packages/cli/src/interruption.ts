import { type HandledSignal, SIGNAL_NUMBERS } from './exit-code.ts';

const STOPPING: readonly HandledSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Calls `stop` at the first Ctrl-C or SIGTERM, after which the command should come to its end by itself, and have the signal's
 * exit status. The second one ends the process at once. Returns the undo.
 */
export function onceStopped(stop: () => void): () => void {
  const listener = (signal: HandledSignal): void => {
    process.exitCode = 128 + SIGNAL_NUMBERS[signal];
    stop();
  };
  for (const signal of STOPPING) process.once(signal, listener);
  return () => {
    for (const signal of STOPPING) process.off(signal, listener);
  };
}
