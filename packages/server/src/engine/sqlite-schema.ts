import type { DatabaseSync } from 'node:sqlite';

/**
 * The layout of the data file. Migrations expand first and contract in a later version, so that the version before
 * can still open the file: a step may add tables, indexes and columns with defaults, and never changes what is there.
 */
export const SCHEMA_VERSION = 2;

/** A file of the version that follows has this version's tables, and something besides. */
export const NEWEST_READABLE: number = SCHEMA_VERSION + 1;

/** `PRAGMA application_id`, "MRCE": says that a SQLite file is ours. */
export const APPLICATION_ID = 0x4d524345;

/**
 * `topics.id` is the seq of the topic's first event, so an id is never given out twice.
 *
 * `events` is in seq order, which is the order of writing, so that appending to thousands of topics appends to one
 * place; the index finds a topic's offsets, and holds seq too. `total` is the topic's sum of data lengths (UTF-16
 * code units) up to and with this event: two of them give the bytes kept between, without a scan.
 *
 * A topic's head is its newest event, or, when none is left, what `trimmed_*` say of the last one removed. Events at or
 * before `trimmed_offset` are gone for every reader, even while their rows wait to be swept; so is all of a topic whose
 * `deleted` is set. `keys` is append-only in seq order; what has left the window is swept too.
 */
const VERSION_1 = `
CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The number of the last commit: tells whether one whose outcome was lost is there.
CREATE TABLE progress (commits INTEGER NOT NULL) STRICT;
INSERT INTO progress VALUES (0);

CREATE TABLE topics (
  id INTEGER PRIMARY KEY,
  entity TEXT NOT NULL,
  name TEXT NOT NULL,
  sealed INTEGER NOT NULL DEFAULT 0,
  trimmed_offset INTEGER NOT NULL DEFAULT 0,
  trimmed_seq INTEGER NOT NULL DEFAULT 0,
  trimmed_total INTEGER NOT NULL DEFAULT 0,
  trimmed_timestamp INTEGER NOT NULL DEFAULT 0,
  deleted INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  topic INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  timestamp INTEGER NOT NULL,
  total INTEGER NOT NULL,
  flags INTEGER NOT NULL,
  id TEXT NOT NULL,
  event TEXT NOT NULL,
  data TEXT NOT NULL,
  source TEXT,
  key TEXT
) STRICT;
CREATE UNIQUE INDEX events_by_topic ON events (topic, offset);

CREATE TABLE keys (
  seq INTEGER PRIMARY KEY,
  topic INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  timestamp INTEGER NOT NULL,
  id TEXT NOT NULL,
  key TEXT NOT NULL
) STRICT;

CREATE TABLE fences (
  topic INTEGER NOT NULL,
  name TEXT NOT NULL,
  token INTEGER NOT NULL,
  PRIMARY KEY (topic, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE tombstones (
  removal INTEGER PRIMARY KEY,
  entity TEXT NOT NULL,
  topic TEXT NOT NULL,
  seq INTEGER NOT NULL,
  reason TEXT NOT NULL
) STRICT;
CREATE INDEX tombstones_by_entity ON tombstones (entity, seq);

CREATE TABLE watermarks (
  entity TEXT PRIMARY KEY,
  seq INTEGER NOT NULL,
  reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE consumers (
  entity TEXT NOT NULL,
  topic TEXT NOT NULL,
  name TEXT NOT NULL,
  acked INTEGER NOT NULL,
  sent INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  next_at INTEGER NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (entity, topic, name)
) STRICT, WITHOUT ROWID;
`;

/**
 * `runs`: JSON, `[[upTo, attempt, nextAt], …]`; NULL in a row that version 1 wrote. `attempt` and `next_at` are the first
 * run's, for that version's sake.
 */
const VERSION_2 = 'ALTER TABLE consumers ADD COLUMN runs TEXT';

/** Of version 1; a file that has lost one is damaged. */
export const TABLES: readonly string[] = [...VERSION_1.matchAll(/CREATE TABLE (\w+)/g)].map(
  ([, name = '']) => name,
);

/** `MIGRATIONS[n]` takes a file from version n to n + 1. */
const MIGRATIONS: readonly string[] = [VERSION_1, VERSION_2];

export function versionOf(database: DatabaseSync): number {
  return pragma(database, 'user_version');
}

/** Brings a file (empty: version 0) up to this version, in one transaction. */
export function migrate(database: DatabaseSync): void {
  const version = versionOf(database);
  if (version >= SCHEMA_VERSION) return;
  database.exec('BEGIN IMMEDIATE');
  for (const step of MIGRATIONS.slice(version)) database.exec(step);
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`);
}

export function pragma(database: DatabaseSync, name: string): number {
  const row = database.prepare(`PRAGMA ${name}`).get();
  return Number(Object.values(row ?? {})[0]);
}
