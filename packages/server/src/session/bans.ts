import { MillraceError } from '@millrace/protocol';
import type { Clock } from '../clock.ts';
import { addressKey } from './address.ts';

/** Who broke limits: a user wherever it connects from, or an address, as long as nobody said who is there. */
export type Offender =
  | { readonly kind: 'user'; readonly entityId: string; readonly userId: string }
  | { readonly kind: 'address'; readonly address: string };

export interface Ban {
  readonly id: string;
  readonly offender: Offender;
  /** What the offender did. */
  readonly reason: string;
  /** Milliseconds since the Unix epoch. */
  readonly bannedAt: number;
  readonly expiresAt: number;
}

export interface BansOptions {
  readonly clock: Clock;
  readonly durationMs: number;
  /** Called once for each new ban. */
  readonly onBanned?: (ban: Ban) => void;
}

/** Beyond them the oldest ban is forgotten. */
const MAX_BANS = 10_000;

interface Entry {
  readonly ban: Ban;
  /** Monotonic ms. */
  readonly endMs: number;
}

/**
 * Who may not come in for a while, at this node. Every ban lasts as long as any other, so that the oldest is always the
 * next to end, and none needs a timer.
 */
export class Bans {
  readonly counters = { banned: 0 };
  readonly #clock: Clock;
  readonly #durationMs: number;
  readonly #onBanned: ((ban: Ban) => void) | undefined;
  readonly #entries: Map<string, Entry> = new Map();

  constructor({ clock, durationMs, onBanned }: BansOptions) {
    this.#clock = clock;
    this.#durationMs = durationMs;
    this.#onBanned = onBanned;
  }

  /** Bans from now on. Whoever is banned already stays so for as long as it was told. */
  ban(offender: Offender, reason: string): void {
    this.#forgetEnded();
    const key = keyOf(offender);
    if (this.#entries.has(key)) return;
    const now = this.#clock.now();
    const ban: Ban = {
      id: `ban-${(++this.counters.banned).toString(36)}`,
      offender:
        offender.kind === 'user' ? offender : { kind: 'address', address: addressKey(offender.address) },
      reason,
      bannedAt: now,
      expiresAt: now + this.#durationMs,
    };
    this.#entries.set(key, { ban, endMs: this.#clock.monotonic() + this.#durationMs });
    if (this.#entries.size > MAX_BANS) this.#forgetOldest();
    this.#onBanned?.(ban);
  }

  /** Why this user may not come in, with `details.retryAfterMs`; `undefined` when it may. */
  refusalOfUser(entityId: string, userId: string): MillraceError | undefined {
    // Nearly always nobody is banned.
    if (this.#entries.size === 0) return undefined;
    return this.#refusal({ kind: 'user', entityId, userId });
  }

  /** Why somebody who cannot say who it is may not come in from this address. */
  refusalOfAddress(address: string): MillraceError | undefined {
    if (this.#entries.size === 0) return undefined;
    return this.#refusal({ kind: 'address', address });
  }

  list(): Ban[] {
    this.#forgetEnded();
    return [...this.#entries.values()].map(({ ban }) => ban);
  }

  /** Ends a ban early; false when there is no such ban. */
  lift(id: string): boolean {
    for (const [key, { ban }] of this.#entries) if (ban.id === id) return this.#entries.delete(key);
    return false;
  }

  #refusal(offender: Offender): MillraceError | undefined {
    const entry = this.#entries.get(keyOf(offender));
    const leftMs = entry === undefined ? 0 : entry.endMs - this.#clock.monotonic();
    if (entry === undefined || leftMs <= 0) return undefined;
    const who = offender.kind === 'user' ? 'this user' : 'this address';
    return new MillraceError(
      'abuse',
      `${who} is banned (${entry.ban.reason}) for ${Math.ceil(leftMs / 1000)} s more`,
      { details: { retryAfterMs: Math.ceil(leftMs) } },
    );
  }

  #forgetEnded(): void {
    const now = this.#clock.monotonic();
    for (const [key, { endMs }] of this.#entries) {
      if (endMs > now) return;
      this.#entries.delete(key);
    }
  }

  #forgetOldest(): void {
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }
}

// Ids have no control characters, so that no two offenders have one key.
function keyOf(offender: Offender): string {
  return offender.kind === 'user'
    ? `user\n${offender.entityId}\n${offender.userId}`
    : `address\n${addressKey(offender.address)}`;
}
