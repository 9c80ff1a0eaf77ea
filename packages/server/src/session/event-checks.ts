import type { Catalog } from '@millrace/catalog';
import { MillraceError } from '@millrace/protocol';
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
  readonly counters = { badData: 0, unknownEvents: 0 };
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
    const { path, problem } = found;
    throw new MillraceError('bad-data', `${event}: "/data${path}" ${problem}`, {
      details: { event, path: `/data${path}`, problem },
    });
  }

  #assertUnknownAllowed({ topic, event }: CheckedInput): void {
    const policy = this.#options.unknownEventsOf(topic);
    if (policy === 'allow') return;
    this.counters.unknownEvents++;
    if (policy === 'warn') {
      this.#options.onUnknown(topic, event);
      return;
    }
    throw new MillraceError(
      'unknown-event',
      `the catalog has no event ${JSON.stringify(event)}, which its namespace demands`,
      {
        details: { event, topic },
      },
    );
  }
}
