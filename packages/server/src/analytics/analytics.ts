import {
  CONNECTIONS_NAMESPACE,
  CONTROL_NAMESPACE,
  INBOX_NAMESPACE,
  namespaceOf,
  SESSION_NAMESPACE,
} from '@millrace/protocol';
import { type Identity, isReservedEntity } from '../auth/identity.ts';
import type { Clock, Timer } from '../clock.ts';
import type { RecentHistogram } from '../metrics/histogram.ts';
import type { Session } from '../session/session.ts';
import type { SessionEnding } from '../session/session-watch.ts';
import type { NodeLoad } from './node-load.ts';
import { Scope } from './scope.ts';
import {
  connectionFigures,
  type OpenSessions,
  performanceFigures,
  quantilesOf,
  type Usage,
} from './scope-figures.ts';
import type { ScopeStore } from './scope-store.ts';
import { TopCounts } from './top-counts.ts';

export interface AnalyticsOptions {
  readonly clock: Clock;
  readonly store: ScopeStore;
  readonly load: NodeLoad;
  /** From an event's `timestamp` until it was written to every session. */
  readonly latency: RecentHistogram;
  /** The sessions of an entity, or all. */
  readonly sessions: (entityId?: string) => readonly Session[];
  readonly onError: (error: unknown, doing: string) => void;
}

/** Entities that are remembered beside those that have sessions: one more takes the place of the one that was quiet the longest. */
const MAX_ENTITIES = 500;
/** No entity that a token can name. */
const NODE = '$node';
const SAMPLE_EVERY_MS = 60_000;
/** What a crash takes of the counts at most, in samples. */
const SAVE_EVERY = 5;
/** The server's own, which say nothing of the clients. */
const OWN_NAMESPACES: readonly string[] = [CONNECTIONS_NAMESPACE, 'host'];
/** For single eyes: counted without a name. */
const PRIVATE_NAMESPACES: readonly string[] = [INBOX_NAMESPACE, SESSION_NAMESPACE, CONTROL_NAMESPACE];
const MAX_USAGE_NAMES = 50;

/** Counts what sessions and events there are, by entity and for the node, and says what that adds up to. */
export class Analytics {
  readonly #options: AnalyticsOptions;
  readonly #node: Scope;
  /** By entity; the one that was quiet the longest first. */
  readonly #scopes = new Map<string, Scope>();
  /** The last entry of `#scopes`, which need not be moved to the end again. */
  #latest: { readonly entityId: string; readonly scope: Scope } | undefined;
  #timer: Timer | undefined;
  #samples = 0;

  private constructor(options: AnalyticsOptions, node: Scope, scopes: ReadonlyMap<string, Scope>) {
    this.#options = options;
    this.#node = node;
    this.#scopes = new Map(scopes);
    this.#latest = undefined;
    this.#later();
  }

  /** Goes on from what was saved last. */
  static async open(options: AnalyticsOptions): Promise<Analytics> {
    const now = options.clock.now();
    const stored = await options.store.load(NODE, MAX_ENTITIES);
    const scopes = new Map(stored.map(({ id, state }) => [id, new Scope(now, state)]));
    const node = scopes.get(NODE) ?? new Scope(now);
    scopes.delete(NODE);
    return new Analytics(options, node, scopes);
  }

  opened({ door }: Session, { entityId, userId }: Identity, connectingMs: number): void {
    const now = this.#options.clock.now();
    this.#of(entityId, now).opened(userId, door, connectingMs, now);
    this.#node.opened(inNode(entityId, userId), door, connectingMs, now);
  }

  resumed({ entityId }: Identity): void {
    const now = this.#options.clock.now();
    this.#of(entityId, now).resumed(now);
    this.#node.resumed(now);
  }

  closed({ connectedAt, messages }: Session, { code, identity, topics }: SessionEnding): void {
    if (identity === undefined) {
      this.#node.failed(String(code));
      return;
    }
    const { entityId, userId } = identity;
    const now = this.#options.clock.now();
    const ended = { durationMs: Math.max(0, now - connectedAt), messages, topics: topics.map(usageName) };
    this.#of(entityId, now).closed({ userId, ...ended }, now);
    this.#node.closed({ userId: inNode(entityId, userId), ...ended }, now);
  }

  /** A connection was turned away. */
  refused(code: string): void {
    this.#node.failed(code);
  }

  /** A session was answered with an error. */
  erred({ entityId }: Identity): void {
    const now = this.#options.clock.now();
    this.#of(entityId, now).erred(now);
    this.#node.erred(now);
  }

  /** Events were stored. */
  stored(entityId: string, events: readonly { readonly topic: string; readonly event: string }[]): void {
    if (isReservedEntity(entityId)) return;
    const counted = events.filter(({ topic }) => !OWN_NAMESPACES.includes(namespaceOf(topic)));
    if (counted.length === 0) return;
    const now = this.#options.clock.now();
    const scope = this.#of(entityId, now);
    scope.published(counted.length, now);
    this.#node.published(counted.length, now);
    for (const { topic, event } of counted) scope.publishedTo(usageName(topic), event);
  }

  /** Of an entity, or of the whole node. */
  connections(entityId?: string) {
    const { clock, sessions } = this.#options;
    const now = clock.now();
    const open = openSessions(sessions(entityId), now);
    if (entityId === undefined) return connectionFigures(this.#node, open, this.#usage(), now);
    const scope = this.#scopes.get(entityId) ?? new Scope(now);
    const { failed_connections: _, ...figures } = connectionFigures(scope, open, scope, now);
    return figures;
  }

  performance(entityId?: string) {
    const { clock, load, latency } = this.#options;
    const now = clock.now();
    if (entityId !== undefined) return performanceFigures(this.#scopes.get(entityId) ?? new Scope(now), now);
    return {
      message_latency: quantilesOf(latency.readRecent()),
      ...performanceFigures(this.#node, now),
      ...load.read(),
    };
  }

  get timestamp(): string {
    return new Date(this.#options.clock.now()).toISOString();
  }

  /** Saves what there is. Idempotent. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#save();
  }

  #of(entityId: string, now: number): Scope {
    // Moving an entry of a Map costs more than the rest of counting an event.
    if (this.#latest?.entityId === entityId) return this.#latest.scope;
    const known = this.#scopes.get(entityId);
    const scope = known ?? new Scope(now);
    this.#scopes.delete(entityId);
    this.#scopes.set(entityId, scope);
    this.#latest = { entityId, scope };
    if (known === undefined && this.#scopes.size > MAX_ENTITIES) this.#forgetOne();
    return scope;
  }

  #forgetOne(): void {
    for (const [entityId, { activeUsers }] of this.#scopes) {
      if (activeUsers > 0) continue;
      this.#scopes.delete(entityId);
      if (this.#latest?.entityId === entityId) this.#latest = undefined;
      return;
    }
  }

  /** What all entities publish, by name. */
  #usage(): Usage {
    const topics = new TopCounts(MAX_USAGE_NAMES);
    const events = new TopCounts(MAX_USAGE_NAMES);
    for (const scope of this.#scopes.values()) {
      for (const [name, count] of scope.topics.top()) topics.add(name, count);
      for (const [name, count] of scope.events.top()) events.add(name, count);
    }
    return { topics, events };
  }

  #later(): void {
    this.#timer = this.#options.clock.after(SAMPLE_EVERY_MS, () => {
      this.#later();
      const now = this.#options.clock.now();
      this.#options.load.sample();
      for (const scope of [this.#node, ...this.#scopes.values()]) scope.sample(now);
      if (++this.#samples % SAVE_EVERY === 0) void this.#save();
    });
  }

  async #save(): Promise<void> {
    const { clock, store, onError } = this.#options;
    const now = clock.now();
    const changed = [[NODE, this.#node] as const, ...this.#scopes].filter(([, scope]) => scope.changed);
    if (changed.length === 0) return;
    for (const [, scope] of changed) scope.changed = false;
    try {
      await store.save(changed.map(([id, scope]) => ({ id, state: scope.stateAt(now) })));
    } catch (error) {
      for (const [, scope] of changed) scope.changed = true;
      onError(error, 'saving analytics');
    }
  }
}

/** Users of several entities may have the same id. */
function inNode(entityId: string, userId: string): string {
  return `${entityId}/${userId}`;
}

function usageName(topic: string): string {
  const namespace = namespaceOf(topic);
  return PRIVATE_NAMESPACES.includes(namespace) ? `${namespace}.*` : topic;
}

function openSessions(sessions: readonly Session[], now: number): OpenSessions {
  let count = 0;
  let messages = 0;
  let seconds = 0;
  for (const session of sessions) {
    if (session.identity === undefined) continue;
    count++;
    messages += session.messages;
    seconds += Math.max(0, now - session.connectedAt) / 1000;
  }
  return { count, messages, seconds };
}
