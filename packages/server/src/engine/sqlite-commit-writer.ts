import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { isFull } from './sqlite-error.ts';
import { openDatabase } from './sqlite-file.ts';
import { KeySweeper } from './sqlite-key-sweeper.ts';
import { pragma } from './sqlite-schema.ts';
import { type Parameter, WRITE_KINDS, type Writes } from './sqlite-statements.ts';
import { Sweeper } from './sqlite-sweeper.ts';
import type { WriterOptions, WriterReply, WriterRequest } from './sqlite-writer-protocol.ts';

type CommitRequest = Extract<WriterRequest, { type: 'commit' }>;

/** Room for the pages of the index that some thousands of busy topics write to; what else is in it is hardly asked for again. */
const CACHE_KIB = 8192;
/** Pages in the log before a commit copies them to the main file. Fewer: more often the same pages. More: longer pauses. */
const CHECKPOINT_PAGES = 4000;
/** Events deleted by a commit beside what it writes, so that deleting keeps up with publishing. */
const SWEPT_WITH_COMMIT = 256;
/** Events deleted at once when there is nothing else to do: about a millisecond. */
const SWEPT_WHEN_IDLE = 500;
const KEYS_SWEPT = 1000;
const RESERVE_PAGES = 64;
const KEY_WIDTH = 6;

/** Runs commits against the data file, one transaction each. */
export class CommitWriter {
  readonly #database: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #progress: StatementSync;
  readonly #inserts: readonly StatementSync[];
  /** 0 for no bound. */
  readonly #maxPages: number;
  #pagesAllowed = 0;
  readonly #sweeper: Sweeper;
  readonly #keySweeper: KeySweeper;
  #lastCommit: number;
  #now = 0;
  #failedGeneration = -1;
  /** Deleting failed: nothing more is tried before a commit has worked again. */
  #stuck = false;

  constructor(options: WriterOptions) {
    const database = openDatabase(options.path, options.synchronous);
    database.exec(`PRAGMA cache_size = -${CACHE_KIB}; PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    if (options.maxBytes > 0) {
      database.exec(`PRAGMA max_page_count = ${Math.ceil(options.maxBytes / pragma(database, 'page_size'))}`);
    }
    this.#database = database;
    this.#maxPages = Math.ceil(options.maxBytes / pragma(database, 'page_size'));
    this.#begin = database.prepare('BEGIN IMMEDIATE');
    this.#commit = database.prepare('COMMIT');
    this.#progress = database.prepare('UPDATE progress SET commits = ?');
    this.#inserts = WRITE_KINDS.map(({ sql }) => database.prepare(sql));
    this.#sweeper = new Sweeper(database);
    this.#keySweeper = new KeySweeper(database, options.keyWindow);
    for (const order of options.sweeps) this.#sweeper.order(order);
    this.#lastCommit = Number(database.prepare('SELECT commits FROM progress').get()?.commits ?? 0);
  }

  get lastCommit(): number {
    return this.#lastCommit;
  }

  /** Whether there is nothing to delete. */
  get tidy(): boolean {
    return this.#stuck || (this.#sweeper.idle && this.#keySweeper.idle(this.#now));
  }

  commit({ number, generation, now, writes, sweeps }: CommitRequest): WriterReply {
    this.#now = now;
    if (generation <= this.#failedGeneration) {
      return { type: 'failed', outcome: 'aborted', message: 'An earlier commit failed.' };
    }
    let committing = false;
    try {
      this.#allowPages(writes.event === undefined ? RESERVE_PAGES : 0);
      this.#begin.run();
      const rows = this.#write(writes);
      this.#progress.run(number);
      const swept = this.#sweeper.idle ? undefined : this.#sweeper.sweep(rows + SWEPT_WITH_COMMIT);
      committing = true;
      this.#commit.run();
      if (swept !== undefined) this.#sweeper.settle(swept);
    } catch (error) {
      this.#failedGeneration = generation;
      return this.#fail(error, committing);
    }
    this.#lastCommit = number;
    this.#stuck = false;
    this.#countKeys(writes.key);
    for (const order of sweeps) {
      this.#sweeper.order(order);
      if (order.deleted) this.#keySweeper.topicGone(order.topic);
    }
    return { type: 'committed' };
  }

  /** Deletes a part of what has to go. A failure is left for the next commit to meet and to report. */
  tidyUp(): void {
    try {
      this.#allowPages(RESERVE_PAGES);
      this.#begin.run();
      const swept = this.#sweeper.idle ? undefined : this.#sweeper.sweep(SWEPT_WHEN_IDLE);
      const keys = this.#keySweeper.idle(this.#now)
        ? undefined
        : this.#keySweeper.sweep(KEYS_SWEPT, this.#now);
      this.#commit.run();
      if (swept !== undefined) this.#sweeper.settle(swept);
      if (keys !== undefined) this.#keySweeper.settle(keys);
    } catch {
      this.#rollBack();
      this.#stuck = true;
    }
  }

  close(): void {
    this.#database.close();
  }

  #write(writes: Writes): number {
    let rows = 0;
    for (let i = 0; i < WRITE_KINDS.length; i++) {
      const { kind, width } = WRITE_KINDS[i] as (typeof WRITE_KINDS)[number];
      const values = writes[kind];
      if (values === undefined) continue;
      const statement = this.#inserts[i] as StatementSync;
      rows += values.length / width;
      if (kind === 'event') insertEvents(statement, values);
      else for (let at = 0; at < values.length; at += width) statement.run(...values.slice(at, at + width));
    }
    return rows;
  }

  #countKeys(keys: readonly Parameter[] | undefined): void {
    if (keys === undefined) return;
    for (let at = 1; at < keys.length; at += KEY_WIDTH) this.#keySweeper.added(keys[at] as number);
  }

  /** Bounds the file, with some room above for what makes room: deleting, too, may need a page before it frees one. */
  #allowPages(reserve: number): void {
    const allowed = this.#maxPages + reserve;
    if (this.#maxPages === 0 || this.#pagesAllowed === allowed) return;
    this.#database.exec(`PRAGMA max_page_count = ${allowed}`);
    this.#pagesAllowed = allowed;
  }

  #fail(error: unknown, committing: boolean): WriterReply {
    const { message } = error as Error;
    const rolledBack = this.#rollBack();
    if (isFull(error)) {
      // What the log holds beyond the main file may be all the room that there is.
      this.#checkpoint();
      this.#stuck = false;
      return { type: 'failed', outcome: 'full', message };
    }
    return { type: 'failed', outcome: committing || !rolledBack ? 'unknown' : 'aborted', message };
  }

  #rollBack(): boolean {
    try {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      return true;
    } catch {
      return false;
    }
  }

  #checkpoint(): void {
    try {
      this.#database.exec('PRAGMA wal_checkpoint(RESTART)');
    } catch {
      // Not now; the next full commit tries again.
    }
  }
}

/** The one statement that runs 100,000 times a second: no slice, no spread. */
function insertEvents(statement: StatementSync, v: readonly Parameter[]): void {
  for (let i = 0; i < v.length; i += 11) {
    statement.run(
      v[i] as number,
      v[i + 1] as number,
      v[i + 2] as number,
      v[i + 3] as number,
      v[i + 4] as number,
      v[i + 5] as number,
      v[i + 6] as string,
      v[i + 7] as string,
      v[i + 8] as string,
      v[i + 9] as Parameter,
      v[i + 10] as Parameter,
    );
  }
}
