import type { DatabaseSync } from 'node:sqlite';
import type { RecoveryFailure } from '@millrace/protocol';
import type { ConsumerTable } from './consumers.ts';
import type { Ledger } from './ledger.ts';
import { type ConsumerRow, consumerStateOf } from './sqlite-consumers.ts';
import type { DurableTopic, TopicFile } from './sqlite-encoding.ts';
import type { SweepOrder } from './sqlite-sweeper.ts';

interface TopicRow {
  readonly id: number;
  readonly entity: string;
  readonly name: string;
  readonly sealed: number;
  readonly trimmed_offset: number;
  readonly trimmed_seq: number;
  readonly trimmed_total: number;
  readonly trimmed_timestamp: number;
  readonly deleted: number;
}

interface Head {
  readonly seq: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly total: number;
}

/** Fills an empty ledger from the file. Returns what an earlier run had begun to delete. */
export function restoreLedger(
  database: DatabaseSync,
  ledger: Ledger<TopicFile>,
  consumers: ConsumerTable,
): SweepOrder[] {
  const rows = <Row>(sql: string) => database.prepare(sql).iterate() as unknown as Iterable<Row>;
  const newest = database.prepare(
    'SELECT seq, offset, timestamp, total FROM events WHERE topic = ? ORDER BY offset DESC LIMIT 1',
  );
  const oldest = database.prepare('SELECT min(offset) AS offset FROM events WHERE topic = ?');

  const sweeps: SweepOrder[] = [];
  const heads: { row: TopicRow; head: Head }[] = [];
  for (const row of rows<TopicRow>('SELECT * FROM topics')) {
    const { offset: first } = oldest.get(row.id) as unknown as { offset: number | null };
    const trimmed = { topic: row.id, through: row.trimmed_offset, deleted: false };
    if (row.deleted !== 0) {
      sweeps.push({ topic: row.id, through: Number.MAX_SAFE_INTEGER, deleted: true });
      continue;
    }
    if (first !== null && first <= row.trimmed_offset) sweeps.push(trimmed);
    const kept = newest.get(row.id) as unknown as Head | undefined;
    heads.push({
      row,
      head: kept !== undefined && kept.offset > row.trimmed_offset ? kept : trimmedHead(row),
    });
  }
  // The ledger keeps topics in the order of their last event.
  heads.sort((a, b) => a.head.seq - b.head.seq);
  const topics = new Map<number, DurableTopic>();
  for (const { row, head } of heads) topics.set(row.id, restoreTopic(ledger, row, head));

  for (const { topic, name, token } of rows<{ topic: number; name: string; token: number }>(
    'SELECT topic, name, token FROM fences',
  )) {
    topics.get(topic)?.raiseFence(name, token);
  }
  for (const row of rows<KeyRow>('SELECT seq, topic, offset, timestamp, id, key FROM keys ORDER BY seq')) {
    const topic = topics.get(row.topic);
    if (topic !== undefined) ledger.restoreKey(topic, row.key, row);
  }
  for (const { entity, seq, reason } of rows<WatermarkRow>('SELECT entity, seq, reason FROM watermarks')) {
    ledger.restoreEntity(entity, { lastSeq: seq, watermark: { seq, reason } });
  }
  for (const { entity, topic, seq, reason } of rows<WatermarkRow & { topic: string }>(
    'SELECT entity, topic, seq, reason FROM tombstones ORDER BY removal',
  )) {
    ledger.restoreTombstone(entity, { topic, seq, reason });
  }
  for (const row of rows<ConsumerRow>('SELECT * FROM consumers')) {
    consumers.restore(row.entity, row.topic, row.name, consumerStateOf(row));
  }
  const last = database.prepare('SELECT max(seq) AS seq FROM events').get() as { seq: number | null };
  ledger.restoreSeq(last.seq ?? 0);
  return sweeps;
}

interface KeyRow {
  readonly seq: number;
  readonly topic: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly id: string;
  readonly key: string;
}

interface WatermarkRow {
  readonly entity: string;
  readonly seq: number;
  readonly reason: RecoveryFailure;
}

function trimmedHead(row: TopicRow): Head {
  return {
    seq: row.trimmed_seq,
    offset: row.trimmed_offset,
    timestamp: row.trimmed_timestamp,
    total: row.trimmed_total,
  };
}

function restoreTopic(ledger: Ledger<TopicFile>, row: TopicRow, head: Head): DurableTopic {
  const topic = ledger.restoreTopic({
    entity: row.entity,
    topic: row.name,
    birthSeq: row.id,
    offset: head.offset,
    firstOffset: row.trimmed_offset + 1,
    timestamp: head.timestamp,
    bytes: head.total - row.trimmed_total,
    sealed: row.sealed !== 0,
    lastSeq: head.seq,
    trimmedSeq: row.trimmed_seq,
  });
  topic.own = {
    plannedTotal: head.total,
    trimmedTotal: row.trimmed_total,
    firstTimestamp: 0,
    retention: undefined,
    hold: undefined,
  };
  return topic;
}
