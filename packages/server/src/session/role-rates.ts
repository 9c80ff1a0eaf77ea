import type { Role } from '@millrace/protocol';
import { MessageRate, type RateLimits } from './message-rate.ts';

export interface RoleRatesOptions {
  /** Of a role for which nothing else is said. */
  readonly base: RateLimits;
  /** Takes the place of the base, field by field. */
  readonly byRole: Readonly<Partial<Record<Role, Partial<RateLimits>>>>;
}

/** Backends, slowed by backpressure alone unless the configuration gives them a rate. */
const UNLIMITED: readonly Role[] = ['publisher', 'admin'];

/** How fast clients may send, by their roles ([LIM-3]). */
export class RoleRates {
  readonly #base: RateLimits;
  readonly #byRole: ReadonlyMap<Role, RateLimits>;

  constructor({ base, byRole }: RoleRatesOptions) {
    this.#base = base;
    this.#byRole = new Map(
      Object.entries(byRole).map(([role, limits]) => [role as Role, { ...base, ...limits }]),
    );
  }

  /** Of several roles the one that may most counts; `undefined` when one has no limit. */
  limitsOf(roles: readonly Role[]): RateLimits | undefined {
    let best: RateLimits | undefined;
    for (const role of roles) {
      const limits = this.#byRole.get(role);
      if (limits === undefined && UNLIMITED.includes(role)) return undefined;
      const own = limits ?? this.#base;
      if (best === undefined || sustained(own) > sustained(best)) best = own;
    }
    return best ?? this.#base;
  }

  /** A full allowance; `undefined` for who is not limited. */
  open(roles: readonly Role[], nowMs: number): MessageRate | undefined {
    const limits = this.limitsOf(roles);
    return limits && new MessageRate(limits, nowMs);
  }
}

function sustained({ messagesPerSecond, messagesPerMinute = Number.POSITIVE_INFINITY }: RateLimits): number {
  return Math.min(messagesPerSecond, messagesPerMinute / 60);
}
