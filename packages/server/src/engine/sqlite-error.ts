/**
 * Why a data file cannot be used.
 * - `locked`: another process has this data folder open.
 * - `damaged`: the file is not the database it should be. It is left exactly as it was found.
 * - `newer`: a later version of Millrace wrote it.
 * - `unavailable`: the operating system refused (permissions, a missing disk).
 */
export type DataFileProblem = 'locked' | 'damaged' | 'newer' | 'unavailable';

export class DataFileError extends Error {
  override readonly name = 'DataFileError';
  readonly code: DataFileProblem;
  readonly path: string;

  constructor(code: DataFileProblem, path: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.path = path;
  }
}

/** SQLite's primary result codes (https://sqlite.org/rescode.html) that decide what happens next. */
const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;

/** The primary result code of an error that `node:sqlite` threw, or `undefined` for any other error. */
function primaryCode(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === 'number' ? code & 0xff : undefined;
}

export function isBusy(error: unknown): boolean {
  return primaryCode(error) === SQLITE_BUSY;
}

export function isDamage(error: unknown): boolean {
  const code = primaryCode(error);
  return code === SQLITE_CORRUPT || code === SQLITE_NOTADB;
}

export function isFull(error: unknown): boolean {
  return primaryCode(error) === SQLITE_FULL;
}
