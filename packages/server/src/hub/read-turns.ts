import type { Clock, Turns } from '../clock.ts';
import type { LogReader } from './log-reader.ts';

/** How long readers may keep one turn of the event loop from live delivery. */
const BUDGET_MS = 4;

/** Lets readers of the log take turns, one page each, within a time budget a turn of the event loop. */
export class ReadTurns {
  readonly #clock: Clock;
  readonly #turns: Turns;
  #queue: LogReader[] = [];
  #scheduled = false;

  constructor(options: { clock: Clock; turns: Turns }) {
    this.#clock = options.clock;
    this.#turns = options.turns;
  }

  add(reader: LogReader): void {
    this.#queue.push(reader);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#turns.soon(this.#run);
  }

  readonly #run = (): void => {
    this.#scheduled = false;
    const until = this.#clock.monotonic() + BUDGET_MS;
    const queue = this.#queue;
    this.#queue = [];
    let next = 0;
    // Readers that want another turn queue up behind the others.
    while (next < queue.length && this.#clock.monotonic() < until) (queue[next++] as LogReader).step();
    if (next < queue.length) this.#queue = [...queue.slice(next), ...this.#queue];
    if (this.#queue.length > 0) this.#schedule();
  };
}
