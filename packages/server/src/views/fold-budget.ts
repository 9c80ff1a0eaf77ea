import type { Clock, Turns } from '../clock.ts';

/** How long folding may keep one turn of the event loop from everything else, in ms, over all topics together. */
const BUDGET_MS = 4;

/** Lets long folds stop for the event loop, so that live delivery does not wait for them. */
export class FoldBudget {
  readonly #clock: Clock;
  readonly #turns: Turns;
  /** When this turn's budget is used up; `undefined` while nothing was folded in this turn. */
  #endMs: number | undefined;
  #nextTurn: Promise<void> | undefined;

  constructor({ clock, turns }: { readonly clock: Clock; readonly turns: Turns }) {
    this.#clock = clock;
    this.#turns = turns;
    this.#endMs = undefined;
    this.#nextTurn = undefined;
  }

  /** `undefined` while there is time left in this turn; else resolves in one that has some. */
  spent(): Promise<void> | undefined {
    const turn = this.#rest();
    return turn?.then(() => this.spent());
  }

  /** What to wait for, when this turn's time is used up. */
  #rest(): Promise<void> | undefined {
    const now = this.#clock.monotonic();
    if (this.#endMs === undefined) {
      this.#endMs = now + BUDGET_MS;
      this.#nextTurn = new Promise((resolve) => {
        this.#turns.soon(() => {
          this.#endMs = undefined;
          resolve();
        });
      });
    }
    return now < this.#endMs ? undefined : this.#nextTurn;
  }
}
