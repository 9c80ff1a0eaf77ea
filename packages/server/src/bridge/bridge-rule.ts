import { type MillraceEvent, matchesPattern, selectsTopic } from '@millrace/protocol';

/** What a rule makes of an event. */
export interface MappedEvent {
  readonly event: string;
  readonly data: unknown;
  /** `observers.<namespace of the source>` when missing. */
  readonly topic?: string | undefined;
  /** The source's when missing. */
  readonly key?: string | undefined;
}

/** The way out of a rule that no declaration could say; it must not wait for anything. Nothing is published for `undefined`. */
export type BridgeFunction = (
  // biome-ignore lint/suspicious/noExplicitAny: whoever writes one says what data the events of its names have
  event: MillraceEvent<any>,
) => MappedEvent | readonly MappedEvent[] | undefined;

/** Which events are published once more, and as what. */
export interface BridgeRule {
  readonly name: string;
  /** Names, or patterns of names: `agent.*`. */
  readonly events: readonly string[];
  /** Topics and patterns; a wildcard selects nothing private. */
  readonly topics: readonly string[];
  /** Takes what other rules have made too. */
  readonly takesMapped: boolean;
  /** Takes only what no other rule takes. */
  readonly takesOthers: boolean;
  readonly map: BridgeFunction;
}

/** Names of events that are remembered with their rules. */
const MAX_NAMES = 1000;

/** Finds the rules that apply to an event: every one that matches it. */
export class BridgeRules {
  readonly #rules: readonly BridgeRule[];
  readonly #byName: Map<string, readonly BridgeRule[]> = new Map();

  constructor(rules: readonly BridgeRule[]) {
    this.#rules = rules;
  }

  /** Patterns that select, of topics, what any rule may take. */
  get topics(): readonly string[] {
    return [...new Set(this.#rules.flatMap(({ topics }) => topics))];
  }

  applying({
    event,
    topic,
    mapped,
  }: {
    event: string;
    topic: string;
    mapped: boolean;
  }): readonly BridgeRule[] {
    const named = this.#named(event);
    if (named.length === 0) return named;
    const taking = named.filter((rule) => (rule.takesMapped || !mapped) && selectsTopic(rule.topics, topic));
    const specific = taking.filter(({ takesOthers }) => !takesOthers);
    return specific.length > 0 ? specific : taking;
  }

  #named(event: string): readonly BridgeRule[] {
    const known = this.#byName.get(event);
    if (known !== undefined) return known;
    const found = this.#rules.filter(({ events }) =>
      events.some((pattern) => matchesPattern(pattern, event)),
    );
    if (this.#byName.size >= MAX_NAMES) this.#byName.clear();
    this.#byName.set(event, found);
    return found;
  }
}
