import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DataFileError, isBusy } from './sqlite-error.ts';

export interface FolderLock {
  /** Idempotent. */
  release(): void;
}

/**
 * Claims a data folder for this process, creating it when it is missing. The claim is the operating system's lock on
 * an empty SQLite file that lies beside the data, so it ends with the process, however the process ends, and it also
 * holds between two engines of one process. (A lock on the data file itself would shut out our own reader.)
 */
export function lockFolder(directory: string): FolderLock {
  const path = join(directory, 'millrace.lock');
  let database: DatabaseSync | undefined;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    database = new DatabaseSync(path, { timeout: 0 });
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database?.close();
    throw explain(directory, path, error);
  }
  let held: DatabaseSync | undefined = database;
  return {
    release() {
      held?.close();
      held = undefined;
    },
  };
}

function explain(directory: string, path: string, error: unknown): DataFileError {
  if (isBusy(error)) {
    return new DataFileError(
      'locked',
      path,
      `The data folder ${directory} is in use by another process. Stop that process, or give this one a folder of its own.`,
      { cause: error },
    );
  }
  return new DataFileError(
    'unavailable',
    path,
    `The data folder ${directory} cannot be used: ${(error as Error).message}. Check that it exists, is writable and not full.`,
    { cause: error },
  );
}
