import type { Clock } from '../clock.ts';
import { addressKey } from './address.ts';
import type { Bans } from './bans.ts';
import { BoundedMap } from './bounded-map.ts';

/** What a user that is known did. */
export type UserViolation = 'rate-limited' | 'too-many-subscriptions' | 'stalled-message';
/** What somebody unknown did, at an address. */
export type AddressViolation =
  | 'bad-token'
  | 'early-messages'
  | 'stalled-handshake'
  | 'no-token-in-time'
  | 'too-many-connections';

/** In the words of a ban's reason. */
const REASONS: Readonly<Record<UserViolation | AddressViolation, string>> = {
  'rate-limited': 'it kept sending faster than allowed after being told',
  'too-many-subscriptions': 'it kept subscribing beyond the limit',
  'stalled-message': 'it kept leaving messages unfinished',
  'bad-token': 'it kept coming with tokens that are not valid',
  'early-messages': 'it kept sending before it said who it is',
  'stalled-handshake': 'it kept opening connections without asking for anything',
  'no-token-in-time': 'it kept opening connections without a token',
  'too-many-connections': 'it kept opening connections faster than allowed',
};

/** Those that are no sign of bad will; they are counted and logged, and ban nobody. */
const INNOCENT: ReadonlySet<UserViolation | AddressViolation> = new Set([
  'too-many-subscriptions',
  'stalled-message',
]);

export interface ViolationsOptions {
  readonly clock: Clock;
  readonly bans: Bans;
  /** Violations of one user within the window at which it is banned. */
  readonly maxOfUser: number;
  /** The same of one address. */
  readonly maxOfAddress: number;
  /** Begins with an offender's first violation. */
  readonly windowMs: number;
  readonly log: (fields: object, message: string) => void;
}

/** Offenders that are counted at once. */
const MAX_OFFENDERS = 10_000;
/** One line about one offender in this time, and so many about all of them. */
const LOG_EVERY_MS = 1000;
const MAX_LINES = 20;

interface Offences {
  sinceMs: number;
  count: number;
  loggedMs: number;
}

/**
 * Counts what breaks a limit, says so in the log without letting anybody flood it, and bans who does not stop
 * ([LIM-6]).
 */
export class Violations {
  /** Since the start, by kind. */
  readonly counters: Record<UserViolation | AddressViolation, number>;
  readonly #options: ViolationsOptions;
  readonly #offences: BoundedMap<Offences> = new BoundedMap(MAX_OFFENDERS);
  #linesSinceMs = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #unlogged = 0;

  constructor(options: ViolationsOptions) {
    this.#options = options;
    this.counters = Object.fromEntries(Object.keys(REASONS).map((kind) => [kind, 0])) as typeof this.counters;
  }

  byUser(
    kind: UserViolation,
    { entityId, userId }: { readonly entityId: string; readonly userId: string },
    connectionId?: string,
  ): void {
    const { bans, maxOfUser } = this.#options;
    const count = this.#note(kind, `user\n${entityId}\n${userId}`, { entityId, userId, connectionId });
    if (count >= maxOfUser && !INNOCENT.has(kind))
      bans.ban({ kind: 'user', entityId, userId }, REASONS[kind]);
  }

  byAddress(kind: AddressViolation, address: string): void {
    const { bans, maxOfAddress } = this.#options;
    const key = addressKey(address);
    const count = this.#note(kind, `address\n${key}`, { address: key });
    if (count >= maxOfAddress) bans.ban({ kind: 'address', address }, REASONS[kind]);
  }

  /** How many violations the offender has in this window. */
  #note(kind: UserViolation | AddressViolation, key: string, who: object): number {
    this.counters[kind]++;
    const now = this.#options.clock.monotonic();
    let offences = this.#offences.get(key);
    if (offences === undefined) {
      offences = { sinceMs: now, count: 0, loggedMs: Number.NEGATIVE_INFINITY };
      this.#offences.set(key, offences);
    }
    if (now - offences.sinceMs >= this.#options.windowMs) {
      offences.sinceMs = now;
      offences.count = 0;
    }
    if (!INNOCENT.has(kind)) offences.count++;
    if (now - offences.loggedMs >= LOG_EVERY_MS && this.#mayLog(now)) {
      offences.loggedMs = now;
      const unlogged = this.#unlogged;
      this.#unlogged = 0;
      const { log } = this.#options;
      log({ violation: kind, ...who, inWindow: offences.count, ...(unlogged > 0 && { unlogged }) }, 'limit');
    } else this.#unlogged++;
    return offences.count;
  }

  #mayLog(now: number): boolean {
    if (now - this.#linesSinceMs >= LOG_EVERY_MS) {
      this.#linesSinceMs = now;
      this.#lines = 0;
    }
    return ++this.#lines <= MAX_LINES;
  }
}
