/** A name and how often it was counted. */
export type NamedCount = readonly [name: string, count: number];

/**
 * Counts the names that come often, whatever else comes: beyond twice the bound the rarest half is forgotten, so that a name's count may
 * be too low by what it had when it was rare. Counting costs one look-up.
 */
export class TopCounts {
  readonly #max: number;
  #counts: Map<string, number>;

  constructor(max: number, state: readonly NamedCount[] = []) {
    this.#max = max;
    this.#counts = new Map(state);
  }

  add(name: string, count = 1): void {
    const known = this.#counts.get(name);
    this.#counts.set(name, (known ?? 0) + count);
    if (known === undefined && this.#counts.size > 2 * this.#max) this.#counts = new Map(this.top());
  }

  get(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  /** The most frequent first. */
  top(count: number = this.#max): NamedCount[] {
    return [...this.#counts].sort(([, a], [, b]) => b - a).slice(0, count);
  }
}
