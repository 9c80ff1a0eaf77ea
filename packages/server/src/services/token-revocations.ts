import { MillraceError } from '@millrace/protocol';
import { SYSTEM_ENTITY } from '../auth/identity.ts';
import type { Revocation, RevocationList, RevokedThing } from '../auth/revocation-list.ts';
import type { Clock, Timer } from '../clock.ts';
import type { Engine, Following, StoredEvent } from '../engine/engine.ts';
import type { Publisher } from '../session/publisher.ts';

/** Two topics, because what names a key is kept for ever and everything else is not: a policy is of a namespace. */
const TOKEN_REVOCATIONS = 'revocations';
const KEY_REVOCATIONS = 'key-revocations';
const TOPICS = [TOKEN_REVOCATIONS, KEY_REVOCATIONS] as const;

/** As it is stored. `v` lets a newer server say more; what an older one cannot read it reports. */
interface RevocationEvent {
  readonly v: 1;
  readonly entity: string;
  readonly thing: RevokedThing;
  /** Missing: for ever. */
  readonly until?: number;
  readonly by: string;
  readonly reason?: string;
}

export interface RevokeOptions {
  /** When the thing is over by itself, in ms since the Unix epoch; the longest lifetime from now when missing. */
  readonly until?: number;
  /** Who revokes. */
  readonly by: string;
  readonly reason?: string | undefined;
}

export interface TokenRevocationsOptions {
  readonly list: RevocationList;
  readonly engine: Engine;
  readonly publisher: Publisher;
  readonly clock: Clock;
  /** Longest that a token may be valid: what names no end is kept for so long. */
  readonly maxTokenLifetimeMs: number;
  /** The list has grown: sessions may have to end. */
  readonly onRevoked: () => void;
  readonly onError: (error: unknown, doing: string) => void;
}

const SWEEP_MS = 60_000;
const PAGE = { maxEvents: 1000 } as const;

/** Keeps the list of what is revoked as events of the log, read at the start and followed from there, on every node. */
export class TokenRevocations {
  readonly #options: TokenRevocationsOptions;
  readonly #followings: Following[] = [];
  #sweeping: Timer | undefined;
  #closed = false;

  constructor(options: TokenRevocationsOptions) {
    this.#options = options;
  }

  /** Resolves when everything that was ever revoked, and still matters, is in the list. Call it before the first token is checked. */
  async start(): Promise<void> {
    const { engine } = this.#options;
    for (const topic of TOPICS) {
      this.#followings.push(
        await engine.follow(SYSTEM_ENTITY, topic, {
          onEvents: (events) => this.#fold(events),
          onGap: () => void this.#readAgain(topic),
        }),
      );
      await this.#readAll(topic);
    }
    this.#sweepLater();
  }

  /**
   * Revokes something of an entity. When it resolves, it is stored, and holds at every door of this node.
   * Rejects with a `MillraceError`: `overloaded` when the entity has too many, or as a publication does.
   */
  async revoke(entityId: string, thing: RevokedThing, options: RevokeOptions): Promise<Revocation> {
    const { list, clock, publisher, maxTokenLifetimeMs } = this.#options;
    const { by, reason } = options;
    const forever = thing.kind === 'key';
    const until = forever ? Number.POSITIVE_INFINITY : (options.until ?? clock.now() + maxTokenLifetimeMs);
    const revocation: Revocation = { entityId, thing, until };
    if (!list.hasRoom(revocation)) {
      throw new MillraceError(
        'overloaded',
        'too much is revoked already; change the key that signs the tokens',
      );
    }
    const event: RevocationEvent = {
      v: 1,
      entity: entityId,
      thing,
      ...(!forever && { until }),
      by,
      ...(reason !== undefined && { reason }),
    };
    await publisher.publishOneInternally(SYSTEM_ENTITY, {
      topic: forever ? KEY_REVOCATIONS : TOKEN_REVOCATIONS,
      event: 'revoked',
      data: JSON.stringify(event),
    });
    this.#add([revocation]);
    return revocation;
  }

  /** Whether exactly this was revoked. */
  has(entityId: string, thing: RevokedThing): boolean {
    return this.#options.list.has(entityId, thing);
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#sweeping?.cancel();
    for (const following of this.#followings) following.stop();
  }

  #add(revocations: readonly Revocation[]): void {
    const { list, onRevoked } = this.#options;
    for (const revocation of revocations) list.add(revocation);
    onRevoked();
  }

  #fold(events: readonly StoredEvent[]): void {
    this.#add(events.flatMap((event) => this.#read(event) ?? []));
  }

  #read({ id, data }: StoredEvent): Revocation | undefined {
    const { v, entity, thing, until = Number.POSITIVE_INFINITY } = JSON.parse(data) as RevocationEvent;
    if (v === 1) return { entityId: entity, thing, until };
    this.#options.onError(new Error(`the revocation ${id} is of a newer version`), 'reading revocations');
    return undefined;
  }

  async #readAll(topic: string): Promise<void> {
    const { engine } = this.#options;
    let page = await engine.read(SYSTEM_ENTITY, topic, { earliest: true }, PAGE);
    for (;;) {
      // What retention removes meanwhile is over by itself; what follows it is read from the new beginning.
      if (!page.ok) page = await engine.read(SYSTEM_ENTITY, topic, { earliest: true }, PAGE);
      if (!page.ok) throw new Error(`${topic} cannot be read: ${page.reason}`);
      this.#fold(page.events);
      if (page.behind === 0) return;
      page = await engine.read(SYSTEM_ENTITY, topic, { after: page.position }, PAGE);
    }
  }

  async #readAgain(topic: string): Promise<void> {
    try {
      await this.#readAll(topic);
    } catch (error) {
      if (!this.#closed) this.#options.onError(error, 'reading revocations');
    }
  }

  #sweepLater(): void {
    const { clock, list } = this.#options;
    this.#sweeping = clock.after(SWEEP_MS, () => {
      list.sweep(clock.now());
      this.#sweepLater();
    });
  }
}
