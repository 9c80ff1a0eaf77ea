import { isControlTopic, type MillraceEvent, namespaceOf } from '@millrace/protocol';
import type { StoredEvent } from '../engine/engine.ts';
import type { EncodedInput } from '../session/publisher.ts';
import type { BridgeRule, BridgeRules, MappedEvent } from './bridge-rule.ts';

/** The `source` of what a rule has made: how many rules made it, one after the other, and the last one's name. */
const SOURCE = /^bridge:(\d{1,4}):/;

/** Through how many rules an event has gone. */
export function depthOf({ source }: { readonly source: string | undefined }): number {
  const [, depth] = SOURCE.exec(source ?? '') ?? [];
  return depth === undefined ? 0 : Number(depth);
}

/** The rule that made what has this `source`. */
export function ruleNameOf({ source = '' }: { readonly source?: string | undefined }): string {
  return source.replace(SOURCE, '');
}

export interface MappingCounters {
  /** Events that rules took. */
  taken: number;
  /** Functions that failed, and what they made that is no event. */
  failed: number;
  /** Events that had gone through as many rules as they may. */
  tooDeep: number;
}

export interface MappingOptions {
  readonly rules: BridgeRules;
  /** Through so many rules an event may go. */
  readonly maxDepth: number;
  readonly counters: MappingCounters;
  /** A rule failed for the first time since it succeeded. */
  readonly onError: (error: unknown, rule: BridgeRule) => void;
}

/** Makes of stored events what rules say, ready to be published. Depends on the event and the rules alone. */
export class Mapping {
  readonly #options: MappingOptions;
  readonly #failing: Set<BridgeRule> = new Set();

  constructor(options: MappingOptions) {
    this.#options = options;
  }

  /** Whether any rule takes the event. */
  takes(event: StoredEvent): boolean {
    return this.#rulesOf(event).length > 0;
  }

  /** What is to be published for an event; each has a key of its own, the same whenever this is asked. */
  of(event: StoredEvent): EncodedInput[] {
    const { counters, maxDepth } = this.#options;
    const rules = this.#rulesOf(event);
    if (rules.length === 0) return [];
    const depth = depthOf(event);
    if (depth >= maxDepth) {
      counters.tooDeep++;
      return [];
    }
    counters.taken++;
    const source = eventOf(event);
    return rules.flatMap((rule) => this.#apply(rule, source, depth + 1));
  }

  #rulesOf(event: StoredEvent): readonly BridgeRule[] {
    return this.#options.rules.applying({
      event: event.event,
      topic: event.topic,
      mapped: depthOf(event) > 0,
    });
  }

  #apply(rule: BridgeRule, source: MillraceEvent, depth: number): EncodedInput[] {
    try {
      const made = rule.map(source);
      const all =
        made === undefined
          ? []
          : Array.isArray(made)
            ? (made as readonly MappedEvent[])
            : [made as MappedEvent];
      const inputs = all.map((each, i) => inputOf(each, { rule, source, depth, index: i }));
      this.#failing.delete(rule);
      return inputs;
    } catch (error) {
      this.#options.counters.failed++;
      if (!this.#failing.has(rule)) this.#options.onError(error, rule);
      this.#failing.add(rule);
      return [];
    }
  }
}

/** As rules, and functions, see it. */
function eventOf({
  topic,
  event,
  id,
  offset,
  epoch,
  timestamp,
  data,
  source,
  key,
}: StoredEvent): MillraceEvent {
  return {
    topic,
    event,
    id,
    offset,
    epoch,
    timestamp: new Date(timestamp).toISOString(),
    data: JSON.parse(data) as unknown,
    ...(source !== undefined && { source }),
    ...(key !== undefined && { key }),
  };
}

function inputOf(
  made: MappedEvent,
  { rule, source, depth, index }: { rule: BridgeRule; source: MillraceEvent; depth: number; index: number },
): EncodedInput {
  const { event, data, topic = `observers.${namespaceOf(source.topic)}`, key = source.key } = made;
  if (typeof event !== 'string' || event === '') throw new TypeError('what it made has no name: "event"');
  // What runs trusts what is said there.
  if (isControlTopic(topic)) throw new TypeError(`its topic ${JSON.stringify(topic)} is one of control`);
  const json = JSON.stringify(data) as string | undefined;
  if (json === undefined) throw new TypeError('what it made has no data that JSON could say');
  const nth = index === 0 ? '' : `/${index}`;
  return {
    topic,
    event,
    data: json,
    ...(key !== undefined && { key }),
    source: `bridge:${depth}:${rule.name}`,
    idempotencyKey: `bridge/${rule.name}/${source.id}${nth}`,
  };
}
