import type { Clock } from '../clock.ts';
import type { Lease, LeaseOptions, LeaseResult } from './engine.ts';

interface Held extends Lease {
  readonly exclusive: boolean;
  /** Decides the expiry: the wall clock may step. */
  readonly deadline: number;
}

/**
 * The leases of an embedded engine. They live in memory: a process that dies takes every holder it served with it,
 * and tokens grow on because they begin with the time.
 */
export class LeaseTable {
  readonly #clock: Clock;
  /** Entity → name → owner, owners in the order of their tokens. */
  readonly #entities = new Map<string, Map<string, Map<string, Held>>>();
  #lastToken = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  acquire(
    entity: string,
    name: string,
    owner: string,
    ttlMs: number,
    options: LeaseOptions = {},
  ): LeaseResult {
    const holders = this.#holders(entity, name);
    const exclusive = options.exclusive === true;
    for (const [other, held] of holders) {
      if (other !== owner && (exclusive || held.exclusive)) return { acquired: false, holder: toLease(held) };
    }
    const held: Held = {
      owner,
      token: holders.get(owner)?.token ?? this.#nextToken(),
      expiresAt: this.#clock.now() + ttlMs,
      data: options.data,
      exclusive,
      deadline: this.#clock.monotonic() + ttlMs,
    };
    holders.set(owner, held);
    this.#keep(entity, name, holders);
    return { acquired: true, lease: toLease(held) };
  }

  renew(entity: string, name: string, owner: string, ttlMs: number): boolean {
    const holders = this.#holders(entity, name);
    const held = holders.get(owner);
    if (held === undefined) return false;
    holders.set(owner, {
      ...held,
      expiresAt: this.#clock.now() + ttlMs,
      deadline: this.#clock.monotonic() + ttlMs,
    });
    return true;
  }

  release(entity: string, name: string, owner: string): boolean {
    const holders = this.#holders(entity, name);
    const held = holders.delete(owner);
    this.#keep(entity, name, holders);
    return held;
  }

  holders(entity: string, name: string): Lease[] {
    return [...this.#holders(entity, name).values()].map(toLease);
  }

  /** Lets go of leases that have expired and nobody asks for. */
  sweep(): void {
    for (const [entity, names] of this.#entities) {
      for (const name of names.keys()) this.#keep(entity, name, this.#holders(entity, name));
    }
  }

  /** Who holds the lease now: the expired are dropped here. */
  #holders(entity: string, name: string): Map<string, Held> {
    const holders = this.#entities.get(entity)?.get(name) ?? new Map<string, Held>();
    const now = this.#clock.monotonic();
    for (const [owner, held] of holders) {
      if (held.deadline <= now) holders.delete(owner);
    }
    return holders;
  }

  #keep(entity: string, name: string, holders: Map<string, Held>): void {
    const names = this.#entities.get(entity) ?? new Map<string, Map<string, Held>>();
    if (holders.size > 0) names.set(name, holders);
    else names.delete(name);
    if (names.size > 0) this.#entities.set(entity, names);
    else this.#entities.delete(entity);
  }

  #nextToken(): number {
    this.#lastToken = Math.max(this.#lastToken + 1, Math.floor(this.#clock.now() * 1000));
    return this.#lastToken;
  }
}

function toLease({ owner, token, expiresAt, data }: Held): Lease {
  return { owner, token, expiresAt, data };
}
