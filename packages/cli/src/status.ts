let quiet = false;

/** Turns {@link say} off. Failures are still told. */
export function setQuiet(value: boolean): void {
  quiet = value;
}

/** One line of status for people, on stderr, which never carries data. */
export function say(message: string): void {
  if (!quiet) complain(message);
}

/** As {@link say}, but told in any case. */
export function complain(message: string): void {
  process.stderr.write(`millrace: ${message}\n`);
}

const FIRST_MS = 1000;
const EVERY_MS = { terminal: 200, file: 5000 } as const;

export interface Progress {
  stop(): void;
}

/** Shows on stderr how far something has come, once it takes longer than a second. */
export function showProgress(describe: () => string): Progress {
  if (quiet) return { stop() {} };
  const terminal = process.stderr.isTTY === true;
  let timer = setTimeout(show, FIRST_MS).unref();
  let shown = false;
  function show(): void {
    shown = true;
    process.stderr.write(terminal ? `\r\u001b[Kmillrace: ${describe()}` : `millrace: ${describe()}\n`);
    timer = setTimeout(show, terminal ? EVERY_MS.terminal : EVERY_MS.file).unref();
  }
  return {
    stop() {
      clearTimeout(timer);
      if (shown && terminal) process.stderr.write('\r\u001b[K');
    },
  };
}
