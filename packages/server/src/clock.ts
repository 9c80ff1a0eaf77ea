/** Time as the server sees it. Handed in everywhere, so that tests and simulations can drive it. */
export interface Clock {
  /** Wall-clock time in milliseconds since the Unix epoch. May step in either direction. */
  now(): number;
  /** Milliseconds from an arbitrary start, with a fraction; never steps back. */
  monotonic(): number;
  /** Runs `task` once after `delayMs`. A pending timer does not keep the process alive. */
  after(delayMs: number, task: () => void): Timer;
}

export interface Timer {
  /** Idempotent; harmless after the task ran. */
  cancel(): void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, task) {
    const timeout = setTimeout(task, delayMs);
    timeout.unref();
    return { cancel: () => clearTimeout(timeout) };
  },
};

/** Runs work in a later turn of the event loop, after pending I/O. */
export interface Turns {
  soon(task: () => void): void;
}

export const systemTurns: Turns = { soon: (task) => void setImmediate(task) };
