import { CODE_TABLE, type CodeName, MillraceError, STANDARD_CLOSE } from '@millrace/protocol';
import type { Identity } from '../auth/identity.ts';
import { addressKey } from './address.ts';
import type { Session } from './session.ts';
import type { DoorName } from './session-options.ts';
import { Tally } from './tally.ts';

/** A connection, as lists show it. */
export interface ConnectionInfo {
  readonly connectionId: string;
  readonly userId: string;
  readonly entityId: string;
  readonly door: DoorName;
  readonly subscriptions: readonly string[];
  readonly rooms: readonly string[];
  /** ISO 8601. */
  readonly connectedAt: string;
  readonly lastActivity: string;
  readonly state: Session['state'];
}

/** Numbers that are counted by themselves: ours, and those that RFC 6455 gives a meaning. */
const COUNTED_CLOSES: ReadonlySet<number | undefined> = new Set([
  ...Object.values(CODE_TABLE).map(({ close }) => close),
  ...Object.values(STANDARD_CLOSE),
  // Without a number, and without a close frame.
  1005,
  1006,
]);

/** Stands for every other: clients may close with any of thousands. */
const OTHER_CLOSE = 'other';

/** The share of a node's connections that may be without a token at a time. */
const STRANGERS_SHARE = 0.5;

/** How many connections there may be; a missing bound is none. */
export interface ConnectionsOptions {
  /** Of the node. */
  readonly max: number;
  readonly maxPerEntity?: number | undefined;
  readonly maxPerUser?: number | undefined;
  /** Of an IPv4 address, or an IPv6 network of 64 bits. */
  readonly maxPerAddress?: number | undefined;
  /** Tells this run of this node from others. */
  readonly idPrefix: string;
}

/** The sessions of this node, and whether one more may come ([CONN-6]). */
export class Connections {
  /** Sessions opened, turned away, and ended by code, and the most at once, since the start. */
  readonly counters = {
    created: 0,
    refused: 0,
    peak: 0,
    closedByCode: new Map<number | typeof OTHER_CLOSE, number>(),
  };
  readonly #max: number;
  readonly #sessions: Map<string, Session> = new Map();
  readonly #perEntity: Tally;
  readonly #perUser: Tally;
  readonly #perAddress: Tally;
  /** Sessions that have a user. */
  #identified = 0;
  #lastId = 0;
  readonly #idPrefix: string;

  constructor({ max, maxPerEntity, maxPerUser, maxPerAddress, idPrefix }: ConnectionsOptions) {
    this.#max = max;
    this.#perEntity = new Tally(maxPerEntity);
    this.#perUser = new Tally(maxPerUser);
    this.#perAddress = new Tally(maxPerAddress);
    this.#idPrefix = idPrefix;
  }

  get size(): number {
    return this.#sessions.size;
  }

  get max(): number {
    return this.#max;
  }

  /** Whether one more may come from an address. Throws a `MillraceError` (`overloaded`), and counts it, otherwise. */
  assertRoom(address: string): void {
    if (this.#sessions.size >= this.#max) this.#refuse(`this node has its ${this.#max} connections`);
    if (this.#perAddress.max === undefined || this.#perAddress.hasRoom(addressKey(address))) return;
    this.#refuse(`this address has its ${this.#perAddress.max} connections`);
  }

  /** The same for one more that brings no token yet: those cannot take the places of those who do ([CONN-6]). */
  assertRoomForStranger(): void {
    if (this.#sessions.size - this.#identified < Math.ceil(this.#max * STRANGERS_SHARE)) return;
    this.#refuse('too many connections of this node have sent no token yet; bring it with the upgrade');
  }

  /** The same for one more of an entity and user. */
  assertRoomFor({ entityId, userId }: Identity): void {
    if (!this.#perEntity.hasRoom(entityId))
      this.#refuse(`this entity has its ${this.#perEntity.max} connections`);
    if (this.#perUser.max === undefined || this.#perUser.hasRoom(userKey(entityId, userId))) return;
    this.#refuse(`this user has its ${this.#perUser.max} connections`);
  }

  #refuse(problem: string): never {
    this.counters.refused++;
    throw new MillraceError('overloaded', `${problem}; try again later`);
  }

  nextId(): string {
    return `${this.#idPrefix}-${(++this.#lastId).toString(36)}`;
  }

  add(session: Session): void {
    this.#sessions.set(session.id, session);
    if (this.#perAddress.max !== undefined) this.#perAddress.add(addressKey(session.remoteAddress));
    this.counters.created++;
    if (this.#sessions.size > this.counters.peak) this.counters.peak = this.#sessions.size;
  }

  /** A session has become that of a user; to be called once, after {@link assertRoomFor}. */
  identified({ entityId, userId }: Identity): void {
    this.#identified++;
    this.#perEntity.add(entityId);
    if (this.#perUser.max !== undefined) this.#perUser.add(userKey(entityId, userId));
  }

  /** A session has ended; `identity` is whose it had become. */
  remove(session: Session, code: number, identity: Identity | undefined): void {
    if (!this.#sessions.delete(session.id)) return;
    if (this.#perAddress.max !== undefined) this.#perAddress.remove(addressKey(session.remoteAddress));
    if (identity !== undefined) {
      this.#identified--;
      this.#perEntity.remove(identity.entityId);
      if (this.#perUser.max !== undefined) this.#perUser.remove(userKey(identity.entityId, identity.userId));
    }
    const { closedByCode } = this.counters;
    const counted = COUNTED_CLOSES.has(code) ? code : OTHER_CLOSE;
    closedByCode.set(counted, (closedByCode.get(counted) ?? 0) + 1);
  }

  /** Goes through them; those that come meanwhile are seen, those that go are not. */
  iterate(): MapIterator<Session> {
    return this.#sessions.values();
  }

  /** Ends all sessions of one user. */
  endUser(entityId: string, userId: string, code: CodeName, reason: string): void {
    for (const session of this.#sessions.values()) {
      const { identity } = session;
      if (identity?.entityId === entityId && identity.userId === userId) session.end(code, reason);
    }
  }

  all(): Session[] {
    return [...this.#sessions.values()];
  }

  /** The authenticated sessions of one entity. */
  of(entityId: string): Session[] {
    const sessions: Session[] = [];
    for (const session of this.#sessions.values()) {
      if (session.identity?.entityId === entityId) sessions.push(session);
    }
    return sessions;
  }

  /** The same, as lists show them. */
  list(entityId: string): ConnectionInfo[] {
    const connections: ConnectionInfo[] = [];
    for (const session of this.of(entityId)) {
      const { identity } = session;
      if (identity === undefined) continue;
      connections.push({
        connectionId: session.id,
        userId: identity.userId,
        entityId,
        door: session.door,
        subscriptions: session.subscriptions,
        rooms: [],
        connectedAt: new Date(session.connectedAt).toISOString(),
        lastActivity: new Date(session.lastActivity).toISOString(),
        state: session.state,
      });
    }
    return connections;
  }

  /** One session of an entity; another entity's is as if it did not exist. */
  find(entityId: string, id: string): Session | undefined {
    const session = this.#sessions.get(id);
    return session?.identity?.entityId === entityId ? session : undefined;
  }
}

// Ids have no control characters.
function userKey(entityId: string, userId: string): string {
  return `${entityId}\n${userId}`;
}
