/** Chance that can be repeated: the same seed, the same constellation. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 to 1, without 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Chance of its own for one of several, so that what one does changes nothing for the others. */
  fork(): Random {
    return new Random(Math.floor(this.next() * 2 ** 32));
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  /** A whole number, `high` included. */
  whole(low: number, high: number): number {
    return Math.floor(this.between(low, high + 1));
  }

  pick<Item>(items: readonly Item[]): Item {
    // Nobody asks for one of nothing.
    return items[Math.floor(this.next() * items.length)] as Item;
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** Around 0, rarely beyond ±3. */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    return radius * Math.cos(2 * Math.PI * this.next());
  }
}

/** A figure between 0 and 1 that wanders about and is drawn back to where it is at home. */
export class Walk {
  readonly #random: Random;
  readonly #home: number;
  #value: number;

  constructor(random: Random, home: number) {
    this.#random = random;
    this.#home = home;
    this.#value = home + 0.02 * random.normal();
  }

  /** One step; `pull` moves its home meanwhile. */
  step({ pull = 0, haste = 0.15 }: { pull?: number; haste?: number } = {}): number {
    const towards = haste * (this.#home + pull - this.#value);
    this.#value = Math.min(1, Math.max(0, this.#value + towards + 0.012 * this.#random.normal()));
    return this.#value;
  }
}

export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
