import { type HandledSignal, SIGNAL_NUMBERS } from './exit-code.ts';

const STOPPING: readonly HandledSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Calls `stop` at the first Ctrl-C or SIGTERM, after which the command should come to its end by itself, and have the signal's
 * exit status. The second one ends the process at once.
 */
export function onceStopped(stop: (signal: HandledSignal) => void): void {
  for (const signal of STOPPING) {
    process.once(signal, () => {
      process.exitCode = 128 + SIGNAL_NUMBERS[signal];
      stop(signal);
    });
  }
}
