interface Entry<Value> {
  readonly value: Value;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/**
 * What is known of tokens that were checked, by the token's SHA-256: after a restart a thousand clients come back, and
 * again whenever one loses its connection. Holds the most recently used.
 */
export class TokenCache<Value> {
  readonly #maxEntries: number;
  // In order of use, the least recent first.
  readonly #entries = new Map<string, Entry<Value>>();

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  get(digest: string, now: number): Value | undefined {
    const entry = this.#entries.get(digest);
    if (entry === undefined) return undefined;
    this.#entries.delete(digest);
    if (entry.until <= now) return undefined;
    this.#entries.set(digest, entry);
    return entry.value;
  }

  set(digest: string, value: Value, until: number): void {
    this.#entries.delete(digest);
    this.#entries.set(digest, { value, until });
    if (this.#entries.size <= this.#maxEntries) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }
}
