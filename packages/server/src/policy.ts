import { namespaceOf } from '@millrace/protocol';
import type { EngineSlot, Retention } from './engine/engine.ts';

/** What a namespace (a topic's first segment) decides for its topics. */
export interface NamespacePolicy {
  /** Which engine keeps its topics. */
  readonly durability: EngineSlot;
  readonly retention: Retention;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

export const DEFAULT_POLICY: NamespacePolicy = {
  durability: 'durable',
  retention: { maxEvents: 100_000, maxAgeMs: 7 * DAY_MS },
};

const LIVE_POLICY: NamespacePolicy = {
  durability: 'live',
  retention: { maxEvents: 1000, maxAgeMs: HOUR_MS },
};

export const DEFAULT_NAMESPACES: Readonly<Record<string, NamespacePolicy>> = {
  host: LIVE_POLICY,
  metrics: LIVE_POLICY,
  agents: LIVE_POLICY,
  presence: LIVE_POLICY,
  bench: LIVE_POLICY,
  tool: { durability: 'durable', retention: { maxAgeMs: 7 * DAY_MS } },
  audit: { durability: 'durable', retention: { maxEvents: 1_000_000, maxAgeMs: 365 * DAY_MS } },
  user: { durability: 'durable', retention: { maxAgeMs: HOUR_MS } },
  // Only a session that reads slowly comes back to what it was sent.
  session: { durability: 'live', retention: { maxEvents: 100, maxAgeMs: 10 * MINUTE_MS } },
};

/** The policies of one server: defaults, overridden by what its configuration says of single namespaces. */
export class Policies {
  readonly #default: NamespacePolicy;
  readonly #namespaces: Map<string, NamespacePolicy>;

  constructor(overrides: Readonly<Record<string, Partial<NamespacePolicy>>> = {}) {
    this.#default = { ...DEFAULT_POLICY, ...overrides['*'] };
    this.#namespaces = new Map(Object.entries(DEFAULT_NAMESPACES));
    for (const [namespace, override] of Object.entries(overrides)) {
      if (namespace === '*') continue;
      this.#namespaces.set(namespace, { ...(this.#namespaces.get(namespace) ?? this.#default), ...override });
    }
  }

  of(topic: string): NamespacePolicy {
    return this.#namespaces.get(namespaceOf(topic)) ?? this.#default;
  }
}
