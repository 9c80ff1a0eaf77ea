import { PRIORITIES, type Priority } from '@millrace/protocol';
import type { StoredEvent } from './engine.ts';
import type { EventRow } from './sqlite-event-row.ts';

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
