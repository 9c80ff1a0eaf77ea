/** Names of events that are counted by themselves. */
export const MAX_EVENT_NAMES = 256;

/** Stands for all names beyond the bound. */
const OTHER_NAMES = 'other';

/** Counts by name. Names may come from outside: beyond the bound they are counted together. */
export class NameCounts {
  readonly #maxNames: number;
  readonly #counts: Map<string, number> = new Map();
  #total = 0;

  constructor(maxNames: number) {
    this.#maxNames = maxNames;
  }

  /** Over all names. */
  get total(): number {
    return this.#total;
  }

  add(name: string): void {
    this.#total++;
    const known = this.#counts.get(name);
    if (known !== undefined) this.#counts.set(name, known + 1);
    else if (this.#counts.size < this.#maxNames) this.#counts.set(name, 1);
    else this.#counts.set(OTHER_NAMES, (this.#counts.get(OTHER_NAMES) ?? 0) + 1);
  }

  get(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  entries(): [name: string, count: number][] {
    return [...this.#counts];
  }
}
