import { closeSync, existsSync, fsyncSync, openSync, readSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DataFileError, isDamage, isFull } from './sqlite-error.ts';
import {
  APPLICATION_ID,
  migrate,
  NEWEST_READABLE,
  pragma,
  SCHEMA_VERSION,
  TABLES,
  versionOf,
} from './sqlite-schema.ts';

/**
 * `full`: a commit is on disk before it is acknowledged. `off`: a power cut may take acknowledged events back; for
 * tests that prove the difference.
 */
export type Synchronous = 'full' | 'off';

export function dataFileIn(directory: string): string {
  return join(directory, 'millrace.db');
}

/**
 * Makes sure that `path` is a sound data file of this version: creates it when there is none, recovers what a crash
 * left in the write-ahead log, migrates, or throws a {@link DataFileError}. Needs the folder's lock.
 * `firstFacts` are the rows of `meta` in a new file.
 */
export function prepareDataFile(path: string, firstFacts: Readonly<Record<string, string>>): void {
  if (!existsSync(path)) {
    if (existsSync(`${path}-wal`)) {
      throw damaged(path, 'it is missing, although its write-ahead log is there');
    }
    createDataFile(path, firstFacts);
    return;
  }
  checkHeader(path);
  withDatabase(path, openDatabase, (database) => {
    checkContents(path, database);
    migrate(database);
  });
}

/** Reads from a prepared file. */
export function readDataFile<T>(path: string, read: (database: DatabaseSync) => T): T {
  return withDatabase(path, openForReading, read);
}

function withDatabase<T>(
  path: string,
  open: (path: string) => DatabaseSync,
  use: (database: DatabaseSync) => T,
): T {
  let database: DatabaseSync | undefined;
  try {
    database = open(path);
    return use(database);
  } catch (error) {
    if (error instanceof DataFileError) throw error;
    if (isDamage(error)) throw damaged(path, (error as Error).message, error);
    throw new DataFileError('unavailable', path, `Cannot open ${path}: ${(error as Error).message}.`, {
      cause: error,
    });
  } finally {
    database?.close();
  }
}

/** A connection for writing. */
export function openDatabase(path: string, synchronous: Synchronous = 'full'): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 5000 });
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}`);
  return database;
}

export function openForReading(path: string): DatabaseSync {
  return new DatabaseSync(path, { readOnly: true, timeout: 5000 });
}

/** Under another name first: a file with the real name is always complete, so an empty one is always a loss. */
function createDataFile(path: string, facts: Readonly<Record<string, string>>): void {
  const draft = `${path}.new`;
  for (const suffix of ['', '-wal', '-shm']) rmSync(draft + suffix, { force: true });
  try {
    const database = openDatabase(draft);
    try {
      migrate(database);
      const insert = database.prepare('INSERT INTO meta (name, value) VALUES (?, ?)');
      for (const [name, value] of Object.entries(facts)) insert.run(name, value);
      database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } finally {
      database.close();
    }
    renameSync(draft, path);
    syncFolder(dirname(path));
  } catch (error) {
    throw new DataFileError('unavailable', path, `Cannot create ${path}: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}

/** Makes a rename survive a power cut. */
function syncFolder(directory: string): void {
  if (process.platform === 'win32') return;
  const folder = openSync(directory, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

const HEADER_BYTES = 100;
const MAGIC = 'SQLite format 3\0';
const APPLICATION_ID_AT = 68;

/** What SQLite itself would take for good: an empty file is a new database to it, and a foreign one a database. */
function checkHeader(path: string): void {
  const header = Buffer.alloc(HEADER_BYTES);
  const file = openSync(path, 'r');
  try {
    const read = readSync(file, header, 0, HEADER_BYTES, 0);
    if (read < HEADER_BYTES) throw damaged(path, `it ends after ${statSync(path).size} bytes`);
  } finally {
    closeSync(file);
  }
  if (header.toString('latin1', 0, MAGIC.length) !== MAGIC)
    throw damaged(path, 'it is not a SQLite database');
  if (header.readUInt32BE(APPLICATION_ID_AT) !== APPLICATION_ID) {
    throw damaged(path, 'it is the database of another program');
  }
}

function checkContents(path: string, database: DatabaseSync): void {
  const version = versionOf(database);
  if (version > NEWEST_READABLE) {
    throw new DataFileError(
      'newer',
      path,
      `${path} was written by a newer version of Millrace (its layout is ${version}, this version knows ${SCHEMA_VERSION}). Start that version, or point this one at another data folder.`,
    );
  }
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  const missing = TABLES.find((name) => !tables.some((table) => table.name === name));
  if (missing !== undefined) throw damaged(path, `its table ${missing} is gone`);
  if (!checkpoint(database)) return;
  const pages = pragma(database, 'page_count');
  const pageBytes = pragma(database, 'page_size');
  const { size } = statSync(path);
  if (size < pages * pageBytes) throw damaged(path, `it ends after ${size} of ${pages * pageBytes} bytes`);
}

/**
 * Copies what a crash left in the write-ahead log into the main file. False when the disk is too full for it: then
 * both together are the log, and can still be read.
 */
function checkpoint(database: DatabaseSync): boolean {
  try {
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    return true;
  } catch (error) {
    if (isFull(error)) return false;
    throw error;
  }
}

function damaged(path: string, what: string, cause?: unknown): DataFileError {
  return new DataFileError(
    'damaged',
    path,
    `The data file ${path} is damaged: ${what}. It was left as it is. Restore it from a backup, or move it and its -wal file away to start with an empty log.`,
    { cause },
  );
}
