import { createCatalog, type EventFamily } from '@millrace/catalog';
import type { Limits } from '@millrace/protocol';
import { NotificationBus } from '@millrace/testkit';
import { createAuthenticator } from '../packages/server/src/auth/authenticator.ts';
import { resolveConfig } from '../packages/server/src/config.ts';
import { decodeJson, jsonDialect } from '../packages/server/src/doors/dialects.ts';
import type { Engine, EngineSlot, Retention } from '../packages/server/src/engine/engine.ts';
import { createEnginePair } from '../packages/server/src/engine/engine-pair.ts';
import { createEventIds } from '../packages/server/src/engine/event-id.ts';
import type { CommittedBatch } from '../packages/server/src/engine/ledger.ts';
import { createMemoryEngine } from '../packages/server/src/engine/memory-engine.ts';
import { Hub } from '../packages/server/src/hub/hub.ts';
import { DeliveryRules } from '../packages/server/src/inbox/delivery-rules.ts';
import { InboxService } from '../packages/server/src/inbox/inbox-service.ts';
import { createEnforcement } from '../packages/server/src/limits-config.ts';
import { Policies } from '../packages/server/src/policy.ts';
import { ClientCounters } from '../packages/server/src/session/client-counters.ts';
import { EventChecks } from '../packages/server/src/session/event-checks.ts';
import { Publisher } from '../packages/server/src/session/publisher.ts';
import { Session } from '../packages/server/src/session/session.ts';
import type { SessionHost } from '../packages/server/src/session/session-host.ts';
import type { SessionSocket } from '../packages/server/src/session/session-socket.ts';
import { watchTogether } from '../packages/server/src/session/session-watch.ts';
import { TimingWheel } from '../packages/server/src/session/timing-wheel.ts';
import { Views } from '../packages/server/src/views/views.ts';
import { History } from './history.ts';
import type { VirtualTime } from './virtual-time.ts';

export const ENTITY = 'e';
/** Of an administrator of {@link ENTITY}. */
export const TOKEN = 'a-key-of-thirty-two-characters-or-more';

const AUTHENTICATION = {
  apiKeys: [{ id: 'someone', key: TOKEN, entity: ENTITY, roles: ['admin'] as const }],
};

const CONFIG = resolveConfig({});

/** When what a consumer does not acknowledge is sent again, three times; shorter than in life. */
export const DELIVERY_RULES = new DeliveryRules({ redeliveryMs: [2000, 3000, 4000], ttlMs: 60_000 });

/** Room for few states, so that they are evicted. */
const VIEW_BYTES = 20_000;

const CHECKS = new EventChecks({
  catalog: createCatalog([]),
  unknownEventsOf: () => 'allow',
  onUnknown: () => {},
});

const LIMITS: Limits = {
  maxMessageBytes: 64_000,
  maxJsonDepth: 32,
  maxSubscriptions: 128,
  messagesPerSecond: 100,
  messageBurst: 200,
};

export interface SimulatedServerOptions {
  readonly time: VirtualTime;
  /** Of both engines. */
  readonly retention?: Retention;
  readonly maxBytesInFlight?: number;
  readonly maxRecentBytes?: number;
  /** Whose views the topics have; `latest` when missing. */
  readonly families?: readonly EventFamily[];
  /** How long an engine takes to answer, in ms; at once when missing. */
  readonly answerDelayMs?: () => number;
  /** What becomes of a notification of a commit: delivered at once, after so many ms, or (`undefined`) never. */
  readonly notificationDelayMs?: () => number | undefined;
}

/** The topics of namespace `l` are live, all others durable. */
export function slotOf(topic: string): EngineSlot {
  return topic === 'l' || topic.startsWith('l.') ? 'live' : 'durable';
}

/** What may wait for a slow subscription under a policy that drops. */
export const QUEUE_BOUNDS = { maxEvents: 3, maxBytes: 1_000_000 } as const;

/** The verbs whose answers take their time. */
const ANSWERS: readonly (keyof Engine)[] = [
  'append',
  'read',
  'readSince',
  'cursor',
  'head',
  'delete',
  'trim',
  'consumer',
  'setConsumer',
  'entities',
  'trim',
  'acquireLease',
  'releaseLease',
];

/**
 * The server's own engines, hub and sessions, put together as `createServer` does it, without sockets and processes. Its two memory
 * engines outlive a restart unless they are replaced: one kept stands for a disk, one replaced for memory or a lost disk.
 */
export class SimulatedServer {
  readonly history: History;
  readonly errors: unknown[] = [];
  readonly buses: Record<EngineSlot, NotificationBus<CommittedBatch>>;
  readonly #options: SimulatedServerOptions;
  readonly #newId = createEventIds('id');
  readonly #engines: Record<EngineSlot, Engine>;
  #replacements = 0;
  #running: Running | undefined;

  constructor(options: SimulatedServerOptions) {
    this.#options = options;
    this.history = new History(options.time);
    this.buses = { live: new NotificationBus(), durable: new NotificationBus() };
    this.#engines = { live: this.#createEngine('live'), durable: this.#createEngine('durable') };
    this.start();
  }

  get up(): boolean {
    return this.#running !== undefined;
  }

  get hub(): Hub {
    return this.#parts.hub;
  }

  get publisher(): Publisher {
    return this.#parts.host.publisher;
  }

  /** Both engines as one, as hub and sessions see them. */
  get engine(): Engine {
    return this.#parts.engine;
  }

  get #parts(): Running {
    if (this.#running === undefined) throw new Error('the server is down');
    return this.#running;
  }

  start(): void {
    if (this.#running !== undefined) return;
    const {
      time,
      maxBytesInFlight = 2000,
      maxRecentBytes = 1000,
      retention = {},
      families = [],
    } = this.#options;
    const pair = createEnginePair({ live: this.#engines.live, durable: this.#engines.durable, slotOf });
    const run = { over: false };
    const engine = this.#reachedBy(run, pair);
    const policies = new Policies({ '*': { retention }, l: { durability: 'live', retention } });
    const priorityOf = (topic: string, event: string) => policies.priorityOf(topic, event);
    const views = new Views({
      engine,
      catalog: createCatalog(families),
      clock: time,
      turns: time,
      maxCacheBytes: VIEW_BYTES,
      feedOf: (entity) => hub.feed(entity),
      onError: this.#onError,
    });
    const hub: Hub = new Hub({
      engine,
      clock: time,
      turns: time,
      maxBytesInFlight,
      maxRecentBytes,
      maxAgeMs: () => retention.maxAgeMs,
      queueBounds: QUEUE_BOUNDS,
      deliveryOf: (topic) => policies.of(topic),
      snapshots: views,
      onError: this.#onError,
    });
    const wheel = new TimingWheel(time);
    const sessions = new Set<Session>();
    const inbox = new InboxService({
      engine,
      hub,
      clock: time,
      rules: DELIVERY_RULES,
      maxConsumers: 100,
      nodeId: 'node',
      onError: this.#onError,
    });
    const { rates, violations } = createEnforcement(CONFIG, { clock: time, wheel, log: () => {} });
    const host: SessionHost = {
      hub,
      publisher: new Publisher({
        engine,
        clock: time,
        checks: CHECKS,
        maxEventBytes: LIMITS.maxMessageBytes,
        priorityOf,
      }),
      inbox,
      counters: new ClientCounters(time),
      maxEarlyBytes: 1_000_000,
      rates,
      violations,
      onIdentified: () => {},
      onGone: () => {},
      authenticator: createAuthenticator({ ...AUTHENTICATION, clock: time }),
      clock: time,
      wheel,
      limits: LIMITS,
      aliases: new Map(),
      times: { authTimeoutMs: 5000, heartbeatMs: 10_000, idleTimeoutMs: 30_000, lifetimeMs: 3_600_000 },
      watch: watchTogether([]),
      onClosed: () => {},
      onError: this.#onError,
    };
    this.#running = { run, engine, views, hub, inbox, host, wheel, sessions, lastId: 0 };
  }

  /** A client's connection. The session waits for its token. */
  accept(socket: SessionSocket): Session {
    const running = this.#parts;
    const { maxJsonDepth } = LIMITS;
    const session = new Session(
      {
        id: `c${++running.lastId}`,
        door: 'websocket',
        dialect: jsonDialect,
        socket,
        decode: (data, isBinary) => decodeJson(data, isBinary, maxJsonDepth),
        protocol: 'millrace.v1.json',
      },
      running.host,
    );
    running.sessions.add(session);
    return session;
  }

  /** Says goodbye to every client and waits for what is under way. {@link stop} has to follow. */
  async drain(): Promise<void> {
    const { sessions, inbox } = this.#parts;
    await Promise.all([...sessions].map((session) => session.drain('the server is shutting down', 200)));
    await inbox.close();
  }

  /** The process is gone; `lost` names the engines that went with it. */
  stop(lost: readonly EngineSlot[] = []): void {
    const running = this.#running;
    if (running !== undefined) {
      this.#running = undefined;
      // Whatever a process that is gone still wants, it does not get.
      running.run.over = true;
      for (const session of running.sessions) session.socketClosed(1006);
      void running.inbox.close();
      running.views.close();
      running.hub.close();
      running.wheel.close();
    }
    for (const slot of lost) this.replace(slot);
  }

  /** The log of an engine is lost: an empty one, with another epoch, takes its place. Only while the server is down. */
  replace(slot: EngineSlot): void {
    if (this.#running !== undefined) throw new Error('an engine is replaced while nobody uses it');
    void this.#engines[slot].close();
    this.history.replaced(slot);
    this.buses[slot] = new NotificationBus();
    this.#engines[slot] = this.#createEngine(slot);
  }

  async close(): Promise<void> {
    this.stop();
    await Promise.all([this.#engines.live.close(), this.#engines.durable.close()]);
  }

  readonly #onError = (error: unknown): void => {
    this.errors.push(error);
  };

  #createEngine(slot: EngineSlot): Engine {
    const { time, retention = {} } = this.#options;
    const epoch = `${slot.charAt(0)}${this.#replacements++}`;
    const bus = this.buses[slot];
    const engine = createMemoryEngine({
      clock: time,
      turns: time,
      slot,
      epoch,
      newId: this.#newId,
      retention: () => retention,
      bus: (batch, deliver) => bus.relay(batch, (passed) => this.#notify(passed, deliver)),
      onError: this.#onError,
    });
    return this.history.record(engine, slot, epoch);
  }

  #notify(batch: CommittedBatch, deliver: (batch: CommittedBatch) => void): void {
    const { time, notificationDelayMs } = this.#options;
    if (notificationDelayMs === undefined) {
      deliver(batch);
      return;
    }
    const delayMs = notificationDelayMs();
    if (delayMs !== undefined) time.after(delayMs, () => deliver(batch));
  }

  /** The same engine as one run of the server sees it: answers arrive later, and none once the run is over. */
  #reachedBy(run: { over: boolean }, engine: Engine): Engine {
    const { time, answerDelayMs } = this.#options;
    return new Proxy(engine, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== 'function') return member;
        if (!ANSWERS.includes(name as keyof Engine)) return member.bind(target);
        return (...args: unknown[]) => {
          if (run.over) return new Promise<never>(() => {});
          const answer = member.apply(target, args) as Promise<unknown>;
          if (answerDelayMs === undefined) return answer;
          // It may fail before anybody waits for it.
          answer.catch(() => {});
          return new Promise<unknown>((resolve, reject) => {
            time.after(answerDelayMs(), () => {
              if (!run.over) void answer.then(resolve, reject);
            });
          });
        };
      },
    });
  }
}

interface Running {
  readonly run: { over: boolean };
  readonly engine: Engine;
  readonly views: Views;
  readonly hub: Hub;
  readonly inbox: InboxService;
  readonly host: SessionHost;
  readonly wheel: TimingWheel;
  readonly sessions: Set<Session>;
  lastId: number;
}
