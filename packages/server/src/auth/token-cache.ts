import type { Identity } from './identity.ts';

interface Entry {
  readonly identity: Identity;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/**
 * Identities of tokens that were verified, by the token's SHA-256: after a restart a thousand clients come back, and
 * again whenever one loses its connection. Holds the most recently used.
 */
export class TokenCache {
  readonly #maxEntries: number;
  // In order of use, the least recent first.
  readonly #entries = new Map<string, Entry>();

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  get(digest: string, now: number): Identity | undefined {
    const entry = this.#entries.get(digest);
    if (entry === undefined) return undefined;
    this.#entries.delete(digest);
    if (entry.until <= now) return undefined;
    this.#entries.set(digest, entry);
    return entry.identity;
  }

  set(digest: string, identity: Identity, until: number): void {
    this.#entries.delete(digest);
    this.#entries.set(digest, { identity, until });
    if (this.#entries.size <= this.#maxEntries) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }
}
