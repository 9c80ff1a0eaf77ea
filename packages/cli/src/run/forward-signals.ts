import { isatty } from 'node:tty';
import { type HandledSignal, SIGNAL_NUMBERS } from '../exit-code.ts';

/**
 * Passes signals on until the undo that it returns. What a terminal sends, it sends to a command that shares our process group
 * as well: passing it on would make two of one Ctrl-C.
 */
export function forwardSignals(
  send: (signal: HandledSignal) => void,
  { sharesTerminal }: { readonly sharesTerminal: boolean },
): () => void {
  const fromTerminal: readonly string[] = sharesTerminal && isatty(0) ? ['SIGINT', 'SIGQUIT'] : [];
  const forward = (signal: NodeJS.Signals): void => {
    // Only those of the table are listened to.
    if (!fromTerminal.includes(signal)) send(signal as HandledSignal);
  };
  const signals = Object.keys(SIGNAL_NUMBERS) as HandledSignal[];
  for (const signal of signals) process.on(signal, forward);
  return () => {
    for (const signal of signals) process.off(signal, forward);
  };
}
