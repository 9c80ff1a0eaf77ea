import { PRIORITIES, type Priority } from '@millrace/protocol';
import type { StoredEvent } from './engine.ts';

/** One row of `events` in the order of {@link EVENT_COLUMNS}, as it travels between the threads. */
export type EventRow = readonly [
  seq: number,
  topic: number,
  offset: number,
  timestamp: number,
  flags: number,
  id: string,
  event: string,
  data: string,
  source: string | null,
  key: string | null,
];

export const EVENT_COLUMNS = 'seq, topic, offset, timestamp, flags, id, event, data, source, key';

const PRIORITY_BITS = 3;
const SEALED_BIT = 4;

export function flagsOf(priority: Priority, sealed: boolean): number {
  return PRIORITIES.indexOf(priority) | (sealed ? SEALED_BIT : 0);
}

/** The topic's part of each of its events, which rows leave out. */
export interface TopicIdentity {
  readonly entity: string;
  readonly topic: string;
  readonly epoch: string;
}

export function eventOf(row: EventRow, { entity, topic, epoch }: TopicIdentity): StoredEvent {
  const flags = row[4];
  return {
    entity,
    topic,
    epoch,
    offset: row[2],
    slot: 'durable',
    partition: 0,
    seq: row[0],
    id: row[5],
    event: row[6],
    timestamp: row[3],
    data: row[7],
    source: row[8] ?? undefined,
    key: row[9] ?? undefined,
    priority: PRIORITIES[flags & PRIORITY_BITS] as Priority,
    sealed: (flags & SEALED_BIT) !== 0,
  };
}
