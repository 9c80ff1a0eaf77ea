import type { Catalog } from '@millrace/catalog';
import type { Logger } from 'pino';
import type { Clock, Turns } from './clock.ts';
import { type Config, namespacePolicies } from './config.ts';
import type { Engine, HoldOf, Retention } from './engine/engine.ts';
import { createEnginePair } from './engine/engine-pair.ts';
import { createEventIds } from './engine/event-id.ts';
import { createMemoryEngine } from './engine/memory-engine.ts';
import { createSqliteEngine } from './engine/sqlite-engine.ts';
import { createEventChecks } from './event-checks-config.ts';
import { catalogOf } from './families-config.ts';
import { Hub } from './hub/hub.ts';
import { Histogram } from './metrics/histogram.ts';
import { Policies } from './policy.ts';
import { COMMIT_SIZE_BOUNDS } from './services/figure-sources.ts';
import type { EventChecks } from './session/event-checks.ts';
import { Publisher } from './session/publisher.ts';
import { VIEWS_ENTITY } from './views/stored-states.ts';
import { Views } from './views/views.ts';

/** Memory for recent events: some twenty thousand of usual size, which a storm of resuming clients reads. */
const RECENT_BYTES = 8 * 1024 * 1024;

/** Memory for the states of topics that somebody asked for. */
const VIEW_BYTES = 32 * 1024 * 1024;

/** Of a topic's state only the last one that was stored is ever read. */
const NEWEST_ALONE: Retention = { maxEvents: 1 };

/** What a server is given, or takes from its surroundings. */
export interface Surroundings {
  readonly config: Config;
  readonly clock: Clock;
  readonly turns: Turns;
  readonly logger: Logger;
  readonly onError: (error: unknown, doing?: string) => void;
  /** Lets go of what was opened, newest first: when the server closes, and when it cannot be made. */
  readonly closing: AsyncDisposableStack;
}

/** What everything else stands on: the log, the one way into it, and the one way out. */
export interface Core extends Omit<Surroundings, 'closing'> {
  readonly catalog: Catalog;
  readonly engine: Engine;
  readonly views: Views;
  readonly hub: Hub;
  readonly checks: EventChecks;
  readonly publisher: Publisher;
  /** Events a commit, of the engine that was opened here. */
  readonly commitSizes: Histogram;
}

/** Opens the log, unless one is given. */
export async function openCore(surroundings: Surroundings, given: Engine | undefined): Promise<Core> {
  const { closing, ...shared } = surroundings;
  const { config, clock, turns, logger, onError } = shared;
  const { limits } = config;
  const policies = new Policies(namespacePolicies(config), config.priorities);
  const catalog = catalogOf(config);
  const commitSizes = new Histogram(COMMIT_SIZE_BOUNDS);
  const holdOf: HoldOf = (...topic) => views.holdOf(...topic);
  const engine = given ?? (await openEngines(surroundings, policies, { commitSizes, holdOf }));
  const views: Views = new Views({
    engine,
    catalog,
    clock,
    turns,
    maxCacheBytes: VIEW_BYTES,
    feedOf: (entity) => hub.feed(entity),
    onError,
  });
  closing.defer(() => views.close());
  const hub: Hub = new Hub({
    engine,
    clock,
    turns,
    maxBytesInFlight: limits.maxInFlightBytes,
    maxRecentBytes: RECENT_BYTES,
    maxAgeMs: (topic) => policies.of(topic).retention.maxAgeMs,
    queueBounds: { maxEvents: limits.maxQueuedEvents, maxBytes: limits.maxQueuedBytes },
    deliveryOf: (topic) => policies.of(topic),
    snapshots: views,
    onError,
  });
  closing.defer(() => hub.close());
  const checks = createEventChecks({ catalog, policies, logger });
  const publisher = new Publisher({
    engine,
    clock,
    checks,
    maxEventBytes: limits.maxMessageBytes,
    priorityOf: (topic, event) => policies.priorityOf(topic, event),
  });
  return { ...shared, catalog, engine, views, hub, checks, publisher, commitSizes };
}

async function openEngines(
  { config, clock, turns, onError, closing }: Surroundings,
  policies: Policies,
  { commitSizes, holdOf }: { readonly commitSizes: Histogram; readonly holdOf: HoldOf },
): Promise<Engine> {
  const retention = (topic: string, entity: string): Retention =>
    entity === VIEWS_ENTITY ? NEWEST_ALONE : policies.of(topic).retention;
  const onCommitSize = (events: number): void => commitSizes.observe(events);
  const shared = { clock, turns, onError, onCommitSize, holdOf, retention, newId: createEventIds() };
  const durable = await createSqliteEngine({ ...shared, directory: config.data.directory });
  const live = createMemoryEngine(shared);
  const engine = createEnginePair({ live, durable, slotOf: (topic) => policies.of(topic).durability });
  closing.defer(() => engine.close());
  return engine;
}
