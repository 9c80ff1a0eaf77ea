import { INBOX_NAMESPACE, namespaceOf, type Priority } from '@millrace/protocol';
import type { EngineSlot, Retention } from './engine/engine.ts';
import type { SlowPolicy } from './hub/slow-queue.ts';
import { isInbox } from './inbox/consumer-key.ts';

/** What becomes of events whose name the catalog does not know. */
export const UNKNOWN_EVENTS = ['allow', 'warn', 'refuse'] as const;
export type UnknownEvents = (typeof UNKNOWN_EVENTS)[number];

/** What a namespace (a topic's first segment) decides for its topics. */
export interface NamespacePolicy {
  /** Which engine keeps its topics. */
  readonly durability: EngineSlot;
  readonly retention: Retention;
  /** What becomes of events for a client that reads too slowly, unless its subscription says. */
  readonly slow: SlowPolicy;
  /** How long an event may wait for company before it is written, in ms. */
  readonly flushWindowMs: number;
  /** Of events whose publisher named none. */
  readonly priority: Priority;
  readonly unknownEvents: UnknownEvents;
}

/** The priority of some events by name, whatever their namespace says, unless their publisher names one. */
const DEFAULT_PRIORITIES: Readonly<Record<string, Priority>> = {
  'task.failed': 'high',
  'workflow.failed': 'high',
  'tool.output': 'low',
};

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

export const DEFAULT_POLICY: NamespacePolicy = {
  durability: 'durable',
  retention: { maxEvents: 100_000, maxAgeMs: 7 * DAY_MS },
  slow: 'catchup',
  flushWindowMs: 0,
  priority: 'normal',
  unknownEvents: 'allow',
};

const LIVE_POLICY: NamespacePolicy = {
  ...DEFAULT_POLICY,
  durability: 'live',
  retention: { maxEvents: 1000, maxAgeMs: HOUR_MS },
};

const DEFAULT_NAMESPACES: Readonly<Record<string, NamespacePolicy>> = {
  host: LIVE_POLICY,
  metrics: LIVE_POLICY,
  agents: LIVE_POLICY,
  presence: LIVE_POLICY,
  bench: LIVE_POLICY,
  tool: { ...DEFAULT_POLICY, retention: { maxAgeMs: 7 * DAY_MS } },
  audit: { ...DEFAULT_POLICY, retention: { maxEvents: 1_000_000, maxAgeMs: 365 * DAY_MS } },
  // Where listeners stand, which may be away for long, and their dead letters.
  listen: { ...DEFAULT_POLICY, retention: { maxEvents: 100_000 } },
  // What lies below inboxes, such as their dead letters. An inbox itself is trimmed by the service that knows what is alive in it.
  user: DEFAULT_POLICY,
  // Read at once by whoever runs the thing, or soon after its connection is back.
  control: {
    ...LIVE_POLICY,
    priority: 'high',
    retention: { maxEvents: 1000, maxAgeMs: HOUR_MS, maxBytes: 1024 * 1024 },
  },
  // Who came and went: a storm of ten thousand and their end.
  connections: { ...LIVE_POLICY, retention: { maxEvents: 20_000, maxAgeMs: DAY_MS } },
  // Each entry holds all that the one before it held; entities that were quiet for so long are forgotten.
  'session-analytics': { ...DEFAULT_POLICY, retention: { maxEvents: 3, maxAgeMs: 30 * DAY_MS } },
  // Only a session that reads slowly comes back to what it was sent.
  session: { ...LIVE_POLICY, retention: { maxEvents: 100, maxAgeMs: 10 * MINUTE_MS } },
};

/** The server's own: they keep what it needs to remember, so that no policy can make it forget a revocation, an alert or an open answer. */
export const RESERVED_NAMESPACES = [
  'revocations',
  'key-revocations',
  'alert-state',
  'llm-streams',
  'running-processes',
  'session-analytics',
] as const;

/** The policies of one server: defaults, overridden by what its configuration says of single namespaces. */
export class Policies {
  readonly #default: NamespacePolicy;
  readonly #namespaces: Map<string, NamespacePolicy>;
  readonly #inbox: NamespacePolicy;
  readonly #priorities: ReadonlyMap<string, Priority>;

  constructor(
    overrides: Readonly<Record<string, Partial<NamespacePolicy>>> = {},
    priorities: Readonly<Record<string, Priority>> = {},
  ) {
    this.#priorities = new Map(Object.entries({ ...DEFAULT_PRIORITIES, ...priorities }));
    this.#default = { ...DEFAULT_POLICY, ...overrides['*'] };
    this.#namespaces = new Map(Object.entries(DEFAULT_NAMESPACES));
    for (const [namespace, override] of Object.entries(overrides)) {
      if (namespace === '*') continue;
      this.#namespaces.set(namespace, { ...(this.#namespaces.get(namespace) ?? this.#default), ...override });
    }
    this.#inbox = { ...this.of(INBOX_NAMESPACE), retention: overrides[INBOX_NAMESPACE]?.retention ?? {} };
  }

  of(topic: string): NamespacePolicy {
    if (isInbox(topic)) return this.#inbox;
    return this.#namespaces.get(namespaceOf(topic)) ?? this.#default;
  }

  /** The priority of an event whose publisher named none. */
  priorityOf(topic: string, event: string): Priority {
    return this.#priorities.get(event) ?? this.of(topic).priority;
  }
}
