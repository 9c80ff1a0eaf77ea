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
  const before = events.findIndex(({ key }) => key === newest.key);
  if (before !== -1) events.splice(before, 1);
  else if (events.length >= maxKeys) events.shift();
  events.push(newest);
}
