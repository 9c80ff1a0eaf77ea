import type { Clock } from '../clock.ts';
import type { Engine } from '../engine/engine.ts';
import { ChosenEntities } from '../services/chosen-entities.ts';
import { counter, type Metric } from '../services/prometheus.ts';
import type { Publisher } from '../session/publisher.ts';
import { type BridgeRule, BridgeRules } from './bridge-rule.ts';
import { type BridgeCounters, EntityBridge } from './entity-bridge.ts';
import { Mapping, type MappingCounters } from './mapping.ts';

export interface BridgeOptions {
  readonly rules: readonly BridgeRule[];
  readonly engine: Engine;
  readonly publisher: Publisher;
  readonly clock: Clock;
  /** Whose events are mapped; `*` is every entity. */
  readonly entity: string;
  /** What `*` finds at most. */
  readonly maxEntities: number;
  /** Through so many rules an event may go. */
  readonly maxDepth: number;
  readonly onError: (error: unknown, doing: string) => void;
}

/** Publishes events once more, as rules say, within their entity. */
export class Bridge {
  readonly counters: BridgeCounters & MappingCounters = {
    taken: 0,
    published: 0,
    refused: 0,
    failed: 0,
    tooDeep: 0,
    lost: 0,
  };
  readonly #bridges: Set<EntityBridge> = new Set();
  readonly #entities: ChosenEntities;

  constructor(options: BridgeOptions) {
    const { engine, publisher, clock, entity, maxEntities, maxDepth, onError } = options;
    const { counters } = this;
    const rules = new BridgeRules(options.rules);
    const mapping = new Mapping({
      rules,
      maxDepth,
      counters,
      onError: (error, { name }) => onError(error, `mapping events by the rule "${name}"`),
    });
    const parts = { engine, publisher, clock, mapping, counters, onError, topics: rules.topics };
    this.#entities = new ChosenEntities({
      engine,
      clock,
      chosen: [entity],
      max: maxEntities,
      onEntity: (each, isNew) => this.#join(new EntityBridge(each, parts), isNew),
      onError,
    });
  }

  /** Resolves when everything that is stored from now on will be mapped. */
  start(): Promise<void> {
    return this.#entities.start();
  }

  /** Lets what is under way be stored. Idempotent. */
  async close(): Promise<void> {
    this.#entities.close();
    await Promise.all([...this.#bridges].map((bridge) => bridge.close()));
  }

  /** One that fails to start is tried again as another: it must not go on listening. */
  async #join(bridge: EntityBridge, isNew: boolean): Promise<void> {
    this.#bridges.add(bridge);
    try {
      await bridge.start({ isNew });
    } catch (error) {
      this.#bridges.delete(bridge);
      await bridge.close();
      throw error;
    }
  }
}

/** What `/metrics` says of the bridge. */
export function bridgeMetrics({ counters }: Bridge): Metric[] {
  return [
    counter('millrace_bridge_taken_total', 'Events that bridge rules took.', () => counters.taken),
    counter(
      'millrace_bridge_events_total',
      'What bridge rules made, by what became of it.',
      () => [
        ['published', counters.published],
        ['refused', counters.refused],
        ['failed', counters.failed],
        ['too-deep', counters.tooDeep],
      ],
      'outcome',
    ),
    counter(
      'millrace_bridge_losses_total',
      'How often events were gone before they could be mapped.',
      () => counters.lost,
    ),
  ];
}
