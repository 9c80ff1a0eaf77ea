import type { Identity } from '../auth/identity.ts';
import type { Clock } from '../clock.ts';
import { BoundedMap } from './bounded-map.ts';
import { MessageRate, tooFast } from './message-rate.ts';
import type { RoleRates } from './role-rates.ts';
import type { Violations } from './violations.ts';

export interface RequestRatesOptions {
  readonly clock: Clock;
  readonly rates: RoleRates;
  readonly violations: Violations;
}

/** Users that are remembered. */
const MAX_USERS = 10_000;

/** How fast each user sends over HTTP, where there is no session to count at: as fast as over a socket ([LIM-4]). */
export class RequestRates {
  readonly #options: RequestRatesOptions;
  readonly #users: BoundedMap<MessageRate> = new BoundedMap(MAX_USERS);

  constructor(options: RequestRatesOptions) {
    this.#options = options;
  }

  /** Counts one request. Throws a `MillraceError` (`rate-limited`) when it comes too early. */
  take(identity: Identity): void {
    const rate = this.#rateOf(identity);
    const waitMs = rate?.take(this.#options.clock.monotonic()) ?? 0;
    if (waitMs === 0) return;
    this.#options.violations.byUser('rate-limited', identity);
    throw tooFast(waitMs);
  }

  /** Counts the other events of a request that was taken. */
  charge(identity: Identity, count: number): void {
    this.#rateOf(identity)?.charge(count);
  }

  #rateOf({ entityId, userId, roles }: Identity): MessageRate | undefined {
    const { rates, clock } = this.#options;
    const limits = rates.limitsOf(roles);
    if (limits === undefined) return undefined;
    // Ids have no control characters.
    const key = `${entityId}\n${userId}`;
    const known = this.#users.get(key);
    if (known?.limits === limits) return known;
    const nowMs = clock.monotonic();
    // A user may have tokens of several roles.
    const rate = known?.under(limits, nowMs) ?? new MessageRate(limits, nowMs);
    this.#users.set(key, rate);
    return rate;
  }
}
