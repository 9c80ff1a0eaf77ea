/** Counts by key, up to a bound; without a bound it counts nothing and holds nothing. */
export class Tally {
  readonly max: number | undefined;
  readonly #counts: Map<string, number> = new Map();

  constructor(max: number | undefined) {
    this.max = max;
  }

  hasRoom(key: string): boolean {
    return this.max === undefined || (this.#counts.get(key) ?? 0) < this.max;
  }

  add(key: string): void {
    if (this.max === undefined) return;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  remove(key: string): void {
    const count = this.#counts.get(key);
    if (count === undefined) return;
    if (count === 1) this.#counts.delete(key);
    else this.#counts.set(key, count - 1);
  }
}
