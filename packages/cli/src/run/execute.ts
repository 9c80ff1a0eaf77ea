import { spawn } from 'node:child_process';
import { type Command, exitedWith, failureOf, type Outcome } from '@millrace/server/process';
import { Signals } from './signals.ts';

/** Runs a command in our place, not recorded: same stdin, same output, same signals. */
export async function execute({ command, args }: Command): Promise<Outcome> {
  const signals = new Signals();
  try {
    const child = spawn(command, args, { stdio: 'inherit' });
    signals.passOn((signal) => void child.kill(signal), { sharesTerminal: true });
    return await new Promise<Outcome>((resolve) => {
      child.once('error', (error) => {
        // Later errors (a signal that could not be sent) do not end the child.
        if (child.pid === undefined) resolve(failureOf(command, error));
      });
      child.once('exit', (code, signal) => resolve(exitedWith(code, signal)));
    });
  } catch (error) {
    return failureOf(command, error as NodeJS.ErrnoException);
  } finally {
    signals.close();
  }
}
