import type { Identity } from './identity.ts';

/** What is revoked, within one entity. */
export type RevokedThing =
  | { readonly kind: 'token'; readonly fingerprint: string }
  | { readonly kind: 'jti'; readonly jti: string }
  /** All tokens of the user that were issued at or before this time (ms since the Unix epoch). */
  | { readonly kind: 'user'; readonly userId: string; readonly issuedBy: number }
  | { readonly kind: 'key'; readonly keyId: string };

export interface Revocation {
  readonly entityId: string;
  readonly thing: RevokedThing;
  /** From when on what it names is over by itself, in ms since the Unix epoch; `Infinity` for an API key. */
  readonly until: number;
}

interface Entry {
  readonly until: number;
  /** Of users only. */
  readonly issuedBy: number;
}

function nameOf(thing: RevokedThing): string {
  switch (thing.kind) {
    case 'token':
      return `token:${thing.fingerprint}`;
    case 'jti':
      return `jti:${thing.jti}`;
    case 'user':
      return `user:${thing.userId}`;
    case 'key':
      return `key:${thing.keyId}`;
  }
}

export interface RevocationBounds {
  readonly perEntity: number;
  readonly inAll: number;
}

/** What is revoked and not over by itself yet. Nothing that still matters is ever forgotten to make room. */
export class RevocationList {
  readonly #bounds: RevocationBounds;
  readonly #entities = new Map<string, Map<string, Entry>>();
  #size = 0;

  constructor(bounds: RevocationBounds) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#size;
  }

  /** Whether there is room for one more of this entity; what is there already needs none. */
  hasRoom({ entityId, thing }: Revocation): boolean {
    const own = this.#entities.get(entityId);
    if (own?.has(nameOf(thing))) return true;
    return this.#size < this.#bounds.inAll && (own?.size ?? 0) < this.#bounds.perEntity;
  }

  /** Takes a revocation in, also beyond the bounds: they are for whoever makes one. Idempotent, in any order. */
  add({ entityId, thing, until }: Revocation): void {
    let own = this.#entities.get(entityId);
    if (own === undefined) {
      own = new Map();
      this.#entities.set(entityId, own);
    }
    const name = nameOf(thing);
    const known = own.get(name);
    if (known === undefined) this.#size++;
    own.set(name, {
      until: Math.max(until, known?.until ?? 0),
      issuedBy: Math.max(thing.kind === 'user' ? thing.issuedBy : 0, known?.issuedBy ?? 0),
    });
  }

  /** Whether what this identity was proved with is revoked. */
  covers({ entityId, userId, credential }: Identity): boolean {
    const own = this.#entities.get(entityId);
    if (own === undefined) return false;
    if (credential.kind === 'key') return own.has(`key:${credential.keyId}`);
    if (own.has(`token:${credential.fingerprint}`)) return true;
    if (credential.jti !== undefined && own.has(`jti:${credential.jti}`)) return true;
    const user = own.get(`user:${userId}`);
    return user !== undefined && credential.issuedAt <= user.issuedBy;
  }

  /** Whether exactly this was revoked. */
  has(entityId: string, thing: RevokedThing): boolean {
    return this.#entities.get(entityId)?.has(nameOf(thing)) ?? false;
  }

  /** Forgets what is over by itself. */
  sweep(now: number): void {
    for (const [entityId, own] of this.#entities) {
      for (const [name, { until }] of own) {
        if (until > now) continue;
        own.delete(name);
        this.#size--;
      }
      if (own.size === 0) this.#entities.delete(entityId);
    }
  }
}
