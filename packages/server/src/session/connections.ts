import type { DoorName, Session } from './session.ts';

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

/** The sessions of this node. */
export class Connections {
  /** Sessions opened, ended by code, and the most at once, since the start. */
  readonly counters = { created: 0, refused: 0, peak: 0, closedByCode: new Map<number, number>() };
  readonly #max: number;
  readonly #sessions: Map<string, Session> = new Map();
  #lastId = 0;
  readonly #idPrefix: string;

  /** `idPrefix` tells this run of this node from others. */
  constructor(options: { max: number; idPrefix: string }) {
    this.#max = options.max;
    this.#idPrefix = options.idPrefix;
  }

  get size(): number {
    return this.#sessions.size;
  }

  get max(): number {
    return this.#max;
  }

  /** Whether one more may come; counts a refusal otherwise. */
  admit(): boolean {
    if (this.#sessions.size < this.#max) return true;
    this.counters.refused++;
    return false;
  }

  nextId(): string {
    return `${this.#idPrefix}-${(++this.#lastId).toString(36)}`;
  }

  add(session: Session): void {
    this.#sessions.set(session.id, session);
    this.counters.created++;
    if (this.#sessions.size > this.counters.peak) this.counters.peak = this.#sessions.size;
  }

  remove(sessionId: string, code: number): void {
    if (!this.#sessions.delete(sessionId)) return;
    const { closedByCode } = this.counters;
    closedByCode.set(code, (closedByCode.get(code) ?? 0) + 1);
  }

  all(): Session[] {
    return [...this.#sessions.values()];
  }

  /** The authenticated sessions of one entity. */
  of(entityId: string): Session[] {
    return this.all().filter(({ identity }) => identity?.entityId === entityId);
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
