import { spawn } from 'node:child_process';
import { type Command, exitedWith, failureOf, type Outcome } from '@millrace/server/process';
import { forwardSignals } from './forward-signals.ts';

/** Runs a command in our place, not recorded: same stdin, same output, same signals. */
export async function execute({ command, args }: Command): Promise<Outcome> {
  try {
    const child = spawn(command, args, { stdio: 'inherit' });
    const stopForwarding = forwardSignals((signal) => void child.kill(signal), { sharesTerminal: true });
    const outcome = await new Promise<Outcome>((resolve) => {
      child.once('error', (error) => {
        // Later errors (a signal that could not be sent) do not end the child.
        if (child.pid === undefined) resolve(failureOf(command, error));
      });
      child.once('exit', (code, signal) => resolve(exitedWith(code, signal)));
    });
    stopForwarding();
    return outcome;
  } catch (error) {
    return failureOf(command, error as NodeJS.ErrnoException);
  }
}
