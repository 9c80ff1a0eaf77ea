import { isatty } from 'node:tty';
import { type HandledSignal, SIGNAL_NUMBERS } from '../exit-code.ts';

/**
 * The signals that come to us while a command runs, and until all of it is recorded. There is one listener from the first moment to
 * the last, and only what a signal means changes: one that comes between two meanings neither ends us by itself nor is lost. Until the
 * first meaning is given, which must be in the same turn, signals are ignored.
 */
export class Signals {
  #meaning: (signal: HandledSignal) => void = () => {};

  constructor() {
    for (const signal of Object.keys(SIGNAL_NUMBERS)) process.on(signal, this.#listener);
  }

  /**
   * From now on signals are the command's. What a terminal sends, it sends to a command that shares our process group as well: passing
   * it on would make two of one Ctrl-C.
   */
  passOn(
    send: (signal: HandledSignal) => void,
    { sharesTerminal }: { readonly sharesTerminal: boolean },
  ): void {
    const fromTerminal: readonly string[] = sharesTerminal && isatty(0) ? ['SIGINT', 'SIGQUIT'] : [];
    this.#meaning = (signal) => {
      if (!fromTerminal.includes(signal)) send(signal);
    };
  }

  /** From now on a signal calls `stop`, and the one after it ends us at once, as SIGQUIT always does. */
  stopOnce(stop: () => void): void {
    this.#meaning = (signal) => {
      if (signal === 'SIGQUIT') this.#die(signal);
      this.#meaning = this.#die;
      stop();
    };
  }

  /** From now on they do what they do to any process. */
  close(): void {
    for (const signal of Object.keys(SIGNAL_NUMBERS)) process.off(signal, this.#listener);
  }

  readonly #listener = (signal: NodeJS.Signals): void => {
    // Only those of the table are listened to.
    this.#meaning(signal as HandledSignal);
  };

  readonly #die = (signal: HandledSignal): void => {
    this.close();
    process.kill(process.pid, signal);
  };
}
