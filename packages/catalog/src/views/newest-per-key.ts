import type { MillraceEvent } from '@millrace/protocol';
import type { View } from '../view.ts';

/** The newest event of one key. */
export interface NewestEvent {
  readonly key: string;
  readonly event: string;
  /** Of the event in its topic. */
  readonly offset: number;
  /** ISO 8601. */
  readonly timestamp: string;
  readonly data: unknown;
}

export interface NewestPerKey {
  /** The one last heard of comes last. */
  readonly events: readonly NewestEvent[];
}

/** Keys that are remembered; those that were quiet the longest are forgotten first. */
const MAX_KEYS = 1000;
/** Of their data as JSON, together, in UTF-16 code units. The newest one is kept whatever its length. */
const MAX_LENGTH = 1_000_000;

/** A view that keeps the newest event of each key. Events without one (`undefined`) do not count. */
export function newestPerKey(options: {
  readonly name: string;
  readonly version: number;
  readonly holdsLog: boolean;
  readonly maxKeys?: number;
  keyOf(event: MillraceEvent): string | undefined;
}): View<NewestPerKey> {
  const { name, version, holdsLog, maxKeys = MAX_KEYS, keyOf } = options;
  return {
    name,
    version,
    holdsLog,
    initial: () => ({ events: [] }),
    fold: (state, event) => {
      const key = keyOf(event);
      if (key !== undefined) renew(state.events as NewestEvent[], newestOf(key, event), maxKeys);
      return state;
    },
  };
}

function newestOf(key: string, { event, offset, timestamp, data }: MillraceEvent): NewestEvent {
  return { key, event, offset, timestamp, data };
}

/** Moves the key's event to the end. */
function renew(events: NewestEvent[], newest: NewestEvent, maxKeys: number): void {
  let length = lengthOfAll(events) + lengthOf(newest);
  const before = events.findIndex(({ key }) => key === newest.key);
  if (before !== -1) length -= lengthOfEach(events.splice(before, 1));
  events.push(newest);
  let gone = 0;
  while (events.length - gone > maxKeys || (length > MAX_LENGTH && events.length - gone > 1)) {
    length -= lengthOf(events[gone++] as NewestEvent);
  }
  events.splice(0, gone);
  totals.set(events, length);
}

// What was worked out once of events, and of states that are still the same object: nothing that a state depends on.
const lengths = new WeakMap<NewestEvent, number>();
const totals = new WeakMap<readonly NewestEvent[], number>();

function lengthOf(event: NewestEvent): number {
  let length = lengths.get(event);
  if (length === undefined) {
    length = event.key.length + (JSON.stringify(event.data) ?? '').length;
    lengths.set(event, length);
  }
  return length;
}

function lengthOfEach(events: readonly NewestEvent[]): number {
  return events.reduce((sum, event) => sum + lengthOf(event), 0);
}

function lengthOfAll(events: readonly NewestEvent[]): number {
  return totals.get(events) ?? lengthOfEach(events);
}
