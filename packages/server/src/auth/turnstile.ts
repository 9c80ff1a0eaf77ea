/** Lets so many through at once; others wait for their turn, in order. */
export class Turnstile {
  readonly #maxInside: number;
  readonly #maxWaiting: number;
  readonly #waiting: (() => void)[] = [];
  #inside = 0;

  constructor({ maxInside, maxWaiting }: { maxInside: number; maxWaiting: number }) {
    this.#maxInside = maxInside;
    this.#maxWaiting = maxWaiting;
  }

  /** Rejects with an `Error` when too many wait already. */
  async pass<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#inside < this.#maxInside) this.#inside++;
    else if (this.#waiting.length >= this.#maxWaiting) throw new Error('too many wait already');
    // The one who leaves gives its place on.
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#inside--;
      else next();
    }
  }
}
