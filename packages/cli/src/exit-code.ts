/** What the command's exit status says; `millrace --help` ends with this table. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  refused: 4,
  runFailed: 125,
  notExecutable: 126,
  notFound: 127,
} as const;

export type ExitCode = number;

export const EXIT_CODE_HELP = `
Exit status:
  0    done
  1    failed; the message says why
  2    wrong arguments or configuration
  3    the server cannot be reached
  4    the server refused: no valid token, or the token does not permit it
  128+n  ended by signal n (130: Ctrl-C)
  \`run\` has the command's own status, and these of its own:
  125  the run could not begin, or not all of it could be stored
  126  the command cannot be executed
  127  the command was not found`;

/** Signals that commands answer, and their numbers on every platform Node runs on. */
export const SIGNAL_NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const;

export type HandledSignal = keyof typeof SIGNAL_NUMBERS;
