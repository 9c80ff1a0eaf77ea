/**
 * Every kind of row that a commit may write, in the order in which the writer runs them. The main thread sends a
 * commit as one flat array of parameters for each kind, because `postMessage` copies that fastest (0.5 µs for a row of
 * 11 values; `bench/append.ts` shows the whole round trip).
 */
const STATEMENTS = {
  birth: 'INSERT INTO topics (id, entity, name) VALUES (?, ?, ?)',
  event: `INSERT INTO events (seq, topic, offset, timestamp, total, flags, id, event, data, source, key)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  key: 'INSERT INTO keys (seq, topic, offset, timestamp, id, key) VALUES (?, ?, ?, ?, ?, ?)',
  fence: 'INSERT OR REPLACE INTO fences (topic, name, token) VALUES (?, ?, ?)',
  seal: 'UPDATE topics SET sealed = 1 WHERE id = ?',
  trim: `UPDATE topics SET trimmed_offset = ?, trimmed_seq = ?, trimmed_total = ?, trimmed_timestamp = ?
         WHERE id = ?`,
  removal: 'UPDATE topics SET deleted = 1 WHERE id = ?',
  tombstone: 'INSERT INTO tombstones (entity, topic, seq, reason) VALUES (?, ?, ?, ?)',
  watermark: 'INSERT OR REPLACE INTO watermarks (entity, seq, reason) VALUES (?, ?, ?)',
  coveredTombstones: 'DELETE FROM tombstones WHERE entity = ? AND seq <= ?',
  consumer: `INSERT OR REPLACE INTO consumers (entity, topic, name, acked, sent, attempt, next_at, version, runs)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  consumers: 'DELETE FROM consumers WHERE entity = ? AND topic = ?',
} as const;

export type WriteKind = keyof typeof STATEMENTS;
export type Parameter = string | number | null;

/** What one transaction writes: for each kind the rows' parameters, one row after the other. */
export type Writes = { [Kind in WriteKind]?: Parameter[] };

export const WRITE_KINDS: readonly {
  readonly kind: WriteKind;
  readonly sql: string;
  /** Parameters of one row. */
  readonly width: number;
}[] = (Object.entries(STATEMENTS) as [WriteKind, string][]).map(([kind, sql]) => ({
  kind,
  sql,
  width: sql.split('?').length - 1,
}));
