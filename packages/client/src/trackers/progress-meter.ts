/** Shares that are sums of fractions are not exact. */
const ROUNDING = 1e-9;

/** What one step or task of any depth has done, out of what there is to do. Steps that run count by their share. */
export class ProgressMeter {
  /** How many of the parent's steps it stands for. */
  readonly share: number;
  #total: number;
  #done = 0;
  readonly #running = new Set<ProgressMeter>();

  constructor(total: number, share = 1) {
    this.#total = total;
    this.share = share;
  }

  get total(): number {
    return this.#total;
  }

  set total(total: number) {
    this.#total = total;
  }

  /** In steps, with parts of those that run. */
  get done(): number {
    let done = this.#done;
    for (const part of this.#running) done += part.share * part.fraction;
    return Math.min(Math.max(done, 0), this.#total);
  }

  set done(done: number) {
    this.#done = done;
  }

  /** From 0 to 1. */
  get fraction(): number {
    return this.#total > 0 ? this.done / this.#total : 0;
  }

  get finished(): boolean {
    return this.#total > 0 && this.done >= this.#total * (1 - ROUNDING);
  }

  begin(part: ProgressMeter): void {
    this.#running.add(part);
  }

  /** `completed`: all of its share is done, whatever it said last; otherwise as far as it came. */
  end(part: ProgressMeter, { completed }: { readonly completed: boolean }): void {
    if (!this.#running.delete(part)) return;
    this.#done += part.share * (completed ? 1 : part.fraction);
  }
}
