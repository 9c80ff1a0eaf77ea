import type { Catalog } from '@millrace/catalog';
import { MillraceError, namespaceOf } from '@millrace/protocol';
import { MAX_EVENT_NAMES, NameCounts } from '../metrics/name-counts.ts';
import type { UnknownEvents } from '../policy.ts';

export interface EventChecksOptions {
  readonly catalog: Catalog;
  /** What becomes of events whose name the catalog does not know, by the topic's namespace. */
  readonly unknownEventsOf: (topic: string) => UnknownEvents;
  /** Such an event was published where that is worth a warning. */
  readonly onUnknown: (topic: string, event: string) => void;
}

/** What is published, as far as its checks are concerned. */
export interface CheckedInput {
  readonly topic: string;
  readonly event: string;
  /** JSON text. */
  readonly data: string;
  /** The same, decoded, where it is at hand: it is decoded here otherwise. */
  readonly value?: unknown;
}

/** Holds what is published to the catalog: known events to their schema, unknown ones to the namespace's policy. */
export class EventChecks {
  /** Known events whose data broke its schema; unknown ones that were allowed with a warning, and refused. */
  readonly counters = { badData: 0, warned: 0, unknown: 0 };
  /** Events refused here, by name. */
  readonly refusedByName: NameCounts = new NameCounts(MAX_EVENT_NAMES);
  readonly #options: EventChecksOptions;

  constructor(options: EventChecksOptions) {
    this.#options = options;
  }

  /** Throws a `MillraceError`: `bad-data` with the path of what is wrong, `unknown-event`. */
  assert(input: CheckedInput): void {
    if (this.#options.catalog.has(input.event)) this.#assertData(input);
    else this.#assertUnknownAllowed(input);
  }

  #assertData({ event, data, value = JSON.parse(data) }: CheckedInput): void {
    const found = this.#options.catalog.check(event, value);
    if (found === undefined) return;
    this.counters.badData++;
    this.refusedByName.add(event);
    const { path, problem } = found;
    throw new MillraceError('bad-data', `${event}: "/data${path}" ${problem}`, {
      details: { event, path: `/data${path}`, problem },
    });
  }

  #assertUnknownAllowed({ topic, event }: CheckedInput): void {
    const policy = this.#options.unknownEventsOf(topic);
    if (policy === 'allow') return;
    if (policy === 'warn') {
      this.counters.warned++;
      this.#options.onUnknown(topic, event);
      return;
    }
    this.counters.unknown++;
    this.refusedByName.add(event);
    throw new MillraceError(
      'unknown-event',
      `the catalog has no event ${JSON.stringify(event)}, and the namespace "${namespaceOf(topic)}" takes no others`,
      {
        details: { event, topic },
      },
    );
  }
}
