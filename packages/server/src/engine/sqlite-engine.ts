import type { DatabaseSync } from 'node:sqlite';
import { type Cursor, IDEMPOTENCY_WINDOW_MS, MillraceError } from '@millrace/protocol';
import type { Clock, Turns } from '../clock.ts';
import { ConsumerTable } from './consumers.ts';
import type {
  AppendRequest,
  AppendResult,
  ConsumerState,
  Engine,
  Following,
  FollowListener,
  HoldOf,
  Lease,
  LeaseOptions,
  LeaseResult,
  ReadFrom,
  ReadLimit,
  ReadResult,
  ReadSinceFrom,
  ReadSinceResult,
  Retention,
  TopicHead,
} from './engine.ts';
import { createEventIds, randomBase36 } from './event-id.ts';
import { IDEMPOTENCY_WINDOW_KEYS } from './idempotency-window.ts';
import { LeaseTable } from './leases.ts';
import { type CommittedBatch, Ledger } from './ledger.ts';
import { LiveFeed } from './live-feed.ts';
import { type ChangeOutcome, failureError } from './sqlite-commit-outcome.ts';
import { Committer, type WriterLink } from './sqlite-committer.ts';
import { DurableConsumers } from './sqlite-consumers.ts';
import type { TopicFile } from './sqlite-encoding.ts';
import { dataFileIn, prepareDataFile, readDataFile, type Synchronous } from './sqlite-file.ts';
import { lockFolder } from './sqlite-lock.ts';
import { LogReader } from './sqlite-log-reader.ts';
import type { ReaderOptions } from './sqlite-reader-protocol.ts';
import { Removal } from './sqlite-removal.ts';
import { restoreLedger } from './sqlite-restore.ts';
import { RetentionKeeper } from './sqlite-retention.ts';
import type { SweepOrder } from './sqlite-sweeper.ts';
import { Trimmer } from './sqlite-trimmer.ts';
import { WorkerLink } from './sqlite-worker-link.ts';
import type { WriterOptions } from './sqlite-writer-protocol.ts';

export interface SqliteEngineOptions {
  /** The data folder; created when it is missing. One engine at a time may have it open. */
  readonly directory: string;
  readonly clock: Clock;
  /** When commits are gathered and followers are called. */
  readonly turns: Turns;
  /** What is kept of a topic; asked once in a topic's life. */
  readonly retention: (topic: string, entity: string) => Retention;
  readonly holdOf?: HoldOf | undefined;
  readonly newId?: () => string;
  /** Told how many events a commit brought to disk; commits without events are not told. */
  readonly onCommitSize?: ((events: number) => void) | undefined;
  /** Gets what followers throw, and failures of the disk that no caller hears of. */
  readonly onError: (error: unknown) => void;
  /** `full` when missing. Anything else loses acknowledged events in a power cut. */
  readonly synchronous?: Synchronous;
  /** How large the data file may grow before appends fail with `storage-full`. No bound when missing. */
  readonly maxFileBytes?: number;
  /** How often retention is looked after. 1 s when missing. */
  readonly sweepIntervalMs?: number;
  /** How long a topic that holds no events must have been silent to be forgotten. The idempotency window when missing. */
  readonly forgetAfterMs?: number;
  /** Stands between commits and followers; for tests that lose, delay and reorder notifications. */
  readonly bus?: (batch: CommittedBatch, deliver: (batch: CommittedBatch) => void) => void;
  /** Stands between the engine and each writer thread it starts; for tests that make commits fail. */
  readonly wrapWriter?: (writer: WriterLink) => WriterLink;
}

/**
 * Opens the durable engine of an embedded server: one SQLite file in `directory`. What it acknowledges is on disk.
 * Rejects with a `DataFileError` when the file cannot be used, and leaves it as it was.
 */
export async function createSqliteEngine(options: SqliteEngineOptions): Promise<Engine> {
  const lock = lockFolder(options.directory);
  try {
    const path = dataFileIn(options.directory);
    prepareDataFile(path, { epoch: randomBase36(6) });
    const restored = readDataFile(path, (database) => restore(database, options.newId ?? createEventIds()));
    const engine = new SqliteEngine(options, path, restored, lock.release);
    await engine.start();
    return engine;
  } catch (error) {
    lock.release();
    throw error;
  }
}

interface Restored {
  readonly ledger: Ledger<TopicFile>;
  readonly consumers: ConsumerTable;
  readonly sweeps: readonly SweepOrder[];
}

function restore(database: DatabaseSync, newId: () => string): Restored {
  const { value } = database.prepare("SELECT value FROM meta WHERE name = 'epoch'").get() as {
    value: string;
  };
  const ledger = new Ledger<TopicFile>({ slot: 'durable', epoch: value, newId });
  const consumers = new ConsumerTable();
  return { ledger, consumers, sweeps: restoreLedger(database, ledger, consumers) };
}

class SqliteEngine implements Engine {
  readonly #ledger: Ledger<TopicFile>;
  readonly #consumers: ConsumerTable;
  readonly #consumerUpdates: DurableConsumers;
  readonly #leases: LeaseTable;
  readonly #committer: Committer;
  readonly #reader: LogReader;
  readonly #feed: LiveFeed;
  readonly #removal: Removal;
  readonly #trimmer: Trimmer;
  readonly #retention: RetentionKeeper;
  readonly #unlock: () => void;
  #closing: Promise<void> | undefined = undefined;

  constructor(options: SqliteEngineOptions, path: string, restored: Restored, unlock: () => void) {
    const { clock, turns, bus, wrapWriter = (writer: WriterLink) => writer, onError } = options;
    const { ledger, consumers } = restored;
    this.#ledger = ledger;
    this.#consumers = consumers;
    this.#unlock = unlock;
    this.#leases = new LeaseTable(clock);
    this.#feed = new LiveFeed({ slot: 'durable', log: this, clock, turns, onError });
    const deliver = (batch: CommittedBatch) => this.#feed.notify(batch);
    const notify = bus === undefined ? deliver : (batch: CommittedBatch) => bus(batch, deliver);
    const writerOptions: WriterOptions = {
      path,
      synchronous: options.synchronous ?? 'full',
      maxBytes: options.maxFileBytes ?? 0,
      keyWindow: { keys: IDEMPOTENCY_WINDOW_KEYS, ms: IDEMPOTENCY_WINDOW_MS },
      sweeps: restored.sweeps,
    };
    this.#committer = new Committer({
      ledger,
      clock,
      turns,
      startWriter: () => wrapWriter(new WorkerLink('sqlite-writer', writerOptions)),
      onCommitted: notify,
      onCommitSize: options.onCommitSize,
      onError,
    });
    this.#reader = new LogReader(
      ledger,
      () => new WorkerLink('sqlite-reader', { path } satisfies ReaderOptions),
    );
    this.#consumerUpdates = new DurableConsumers(consumers, this.#committer);
    this.#removal = new Removal(ledger, consumers, notify);
    this.#trimmer = new Trimmer({
      ledger,
      trimPoints: (topics) => this.#reader.trimPoints(topics),
      commit: (decide, how) => this.#committer.change(decide, how),
    });
    this.#retention = new RetentionKeeper({
      ledger,
      clock,
      turns,
      retention: options.retention,
      holdOf: options.holdOf,
      intervalMs: options.sweepIntervalMs ?? 1000,
      forgetAfterMs: options.forgetAfterMs ?? IDEMPOTENCY_WINDOW_MS,
      trimmer: this.#trimmer,
      forget: (topics) => this.#committer.change(() => this.#removal.forget(topics), { alone: true }),
      sweepLeases: () => this.#leases.sweep(),
      onError,
    });
  }

  async start(): Promise<void> {
    try {
      await this.#committer.start();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  append(requests: readonly AppendRequest[]): Promise<readonly AppendResult[]> {
    return this.#committer.append(requests);
  }

  async read(entity: string, topic: string, from: ReadFrom, limit: ReadLimit): Promise<ReadResult> {
    this.#assertOpen();
    return this.#reader.read(entity, topic, from, limit);
  }

  async readSince(
    entity: string,
    patterns: readonly string[],
    from: ReadSinceFrom,
    limit: ReadLimit,
  ): Promise<ReadSinceResult> {
    this.#assertOpen();
    return this.#reader.readSince(entity, patterns, from, limit);
  }

  follow(entity: string, pattern: string, listener: FollowListener): Promise<Following> {
    return this.#feed.follow(entity, pattern, listener);
  }

  async cursor(entity: string): Promise<Cursor> {
    this.#assertOpen();
    return this.#ledger.cursor(entity);
  }

  async head(entity: string, topic: string): Promise<TopicHead | undefined> {
    this.#assertOpen();
    return this.#ledger.topic(entity, topic)?.head('durable');
  }

  async topics(
    entity: string,
    pattern: string,
    { after = '', limit = Infinity }: { after?: string; limit?: number } = {},
  ): Promise<readonly TopicHead[]> {
    this.#assertOpen();
    const found = this.#ledger.entity(entity)?.list(pattern, after, limit) ?? [];
    return found.map((topic) => topic.head('durable'));
  }

  async entities(): Promise<readonly string[]> {
    this.#assertOpen();
    return this.#ledger.entitiesWithTopics();
  }

  async trim(entity: string, topic: string, upTo: number): Promise<void> {
    this.#assertOpen();
    await this.#trimmer.trim(entity, topic, upTo);
  }

  async delete(entity: string, topic: string): Promise<boolean> {
    this.#assertOpen();
    const outcome = await this.#committer.change(() => this.#removal.delete(entity, topic), { alone: true });
    return wasStored(outcome);
  }

  async acquireLease(
    entity: string,
    name: string,
    owner: string,
    ttlMs: number,
    options?: LeaseOptions,
  ): Promise<LeaseResult> {
    this.#assertOpen();
    return this.#leases.acquire(entity, name, owner, ttlMs, options);
  }

  async renewLease(entity: string, name: string, owner: string, ttlMs: number): Promise<boolean> {
    this.#assertOpen();
    return this.#leases.renew(entity, name, owner, ttlMs);
  }

  async releaseLease(entity: string, name: string, owner: string): Promise<boolean> {
    this.#assertOpen();
    return this.#leases.release(entity, name, owner);
  }

  async leaseHolders(entity: string, name: string): Promise<readonly Lease[]> {
    this.#assertOpen();
    return this.#leases.holders(entity, name);
  }

  async consumers(entity: string, topic: string): Promise<readonly string[]> {
    this.#assertOpen();
    return this.#consumers.names(entity, topic);
  }

  async consumer(entity: string, topic: string, name: string): Promise<ConsumerState | undefined> {
    this.#assertOpen();
    return this.#consumers.get(entity, topic, name);
  }

  async setConsumer(
    entity: string,
    topic: string,
    name: string,
    expectedVersion: number,
    next: Omit<ConsumerState, 'version'>,
  ): Promise<{ readonly stored: boolean; readonly state: ConsumerState | undefined }> {
    this.#assertOpen();
    return this.#consumerUpdates.set(entity, topic, name, expectedVersion, next);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([this.#retention.stop(), this.#committer.drain()]);
    this.#feed.close();
    // The writer's connection is the last to close: it takes the write-ahead log with it, which a reader's cannot.
    await this.#reader.close();
    await this.#committer.close();
    this.#unlock();
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new MillraceError('unavailable', 'the engine is closed');
  }
}

function wasStored(outcome: ChangeOutcome): boolean {
  if (outcome === 'stored') return true;
  if (outcome === 'nothing') return false;
  throw failureError(outcome);
}
