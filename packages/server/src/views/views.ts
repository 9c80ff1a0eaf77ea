import type { Catalog } from '@millrace/catalog';
import { hasWildcard, MillraceError, selectsTopic } from '@millrace/protocol';
import type { Clock, Turns } from '../clock.ts';
import type { Engine, TopicHead } from '../engine/engine.ts';
import type { EntityFeed } from '../hub/entity-feed.ts';
import type { Snapshot, SnapshotSource, SnapshotsAt } from '../hub/snapshot.ts';
import { FoldBudget } from './fold-budget.ts';
import { PatternRound } from './pattern-round.ts';
import { StateHold } from './state-hold.ts';
import { StoredStates, VIEWS_ENTITY } from './stored-states.ts';
import { StoredStatesSweeper } from './stored-states-sweeper.ts';
import { SharedWork, TaskChain } from './task-chain.ts';
import { AheadError, type FolderHost, TopicFolder, type ViewCounters } from './topic-folder.ts';

/** Topics whose snapshots one subscription may begin with, and the length of their states together. */
const MAX_TOPICS = 1000;
const MAX_LENGTH = 32 * 1024 * 1024;

/** Topics of a pattern that are folded side by side. */
const ABREAST = 8;

/** Topics that are listed at a time. */
const LIST_PAGE = 1000;

/** How often a round begins anew because another one's states were ahead of it. */
const MAX_ROUNDS = 20;

/** In which a lost notification is found for sure, in ms. */
const LOST_NOTIFICATION_MS = 2000;

export interface ViewsOptions {
  readonly engine: Engine;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly turns: Turns;
  /** Memory for states, over all topics. */
  readonly maxCacheBytes: number;
  /** How far live delivery has come, of an entity that is being followed. */
  readonly feedOf: (entity: string) => EntityFeed | undefined;
  readonly onError: (error: unknown, doing: string) => void;
}

/**
 * The states of topics by their views, folded when somebody asks and kept in memory at the position they have reached.
 *
 * A topic's state only ever moves forward, to where live delivery stands. So the states of many topics at one cursor need no
 * copies of older states: the cursor is where live delivery stands when they are asked for, no state can be further yet,
 * and none moves on before it was taken there.
 */
export class Views implements SnapshotSource {
  readonly counters: ViewCounters = { foldedEvents: 0, snapshots: 0, storedStates: 0, failures: 0 };
  readonly #options: ViewsOptions;
  readonly #host: FolderHost;
  readonly #stored: StoredStates;
  /** By entity and topic; the one that was asked for last comes last. */
  readonly #folders: Map<string, TopicFolder> = new Map();
  readonly #rounds: Map<string, Set<PatternRound>> = new Map();
  /** By entity and patterns. */
  readonly #pending: Map<string, { readonly chain: TaskChain; readonly work: SharedWork<SnapshotsAt> }> =
    new Map();
  readonly #sweeper: StoredStatesSweeper;
  #closed = false;
  #cacheBytes = 0;
  readonly #counted: Map<TopicFolder, number> = new Map();

  constructor(options: ViewsOptions) {
    this.#options = options;
    const { engine, catalog, clock, feedOf, onError } = options;
    this.#stored = new StoredStates(engine);
    this.#host = {
      engine,
      catalog,
      clock,
      feedOf,
      onError: (error, doing) => {
        if (!this.#closed) onError(error, doing);
      },
      budget: new FoldBudget(options),
      stored: this.#stored,
      counters: this.counters,
      roundsOf: (entity) => this.#rounds.get(entity) ?? NO_ROUNDS,
    };
    this.#sweeper = new StoredStatesSweeper({ ...this.#host, stored: this.#stored });
  }

  /** Of the states in memory. */
  get cacheBytes(): number {
    return this.#cacheBytes;
  }

  get cachedTopics(): number {
    return this.#folders.size;
  }

  async ofTopic(entity: string, topic: string): Promise<Snapshot> {
    const snapshot = await this.#use(entity, topic, (folder) => folder.latest());
    this.counters.snapshots++;
    return snapshot;
  }

  async ofPatterns(entity: string, patterns: readonly string[]): Promise<SnapshotsAt> {
    const key = `${entity} ${patterns.join(',')}`;
    let pending = this.#pending.get(key);
    if (pending === undefined) {
      const chain = new TaskChain();
      pending = { chain, work: new SharedWork(chain, () => this.#takeAll(entity, patterns)) };
      this.#pending.set(key, pending);
    }
    try {
      const taken = await pending.work.ask();
      this.counters.snapshots += taken.snapshots.length;
      return taken;
    } finally {
      if (!pending.chain.busy) this.#pending.delete(key);
    }
  }

  /** Of topics whose view says more than their newest events do. */
  holdOf(entity: string, topic: string, epoch: string): StateHold | undefined {
    if (entity === VIEWS_ENTITY || !this.#options.catalog.viewOf(topic).holdsLog) return undefined;
    const store = () => this.#use(entity, topic, (folder) => folder.storeLatest());
    return new StateHold({ topic, epoch }, { ...this.#host, store });
  }

  /** The topic was deleted: it has been, whatever becomes of what was stored of it. */
  async forget(entity: string, topic: string): Promise<void> {
    try {
      await this.#folders.get(keyOf(entity, topic))?.forget();
      await this.#stored.forget(entity, topic);
    } catch (error) {
      this.#host.onError(error, `forgetting the state of topic ${topic}`);
    }
  }

  /** Nothing that fails from here on is worth a report. */
  close(): void {
    this.#closed = true;
    this.#sweeper.close();
  }

  async #takeAll(entity: string, patterns: readonly string[]): Promise<SnapshotsAt> {
    for (let attempt = 0; attempt < MAX_ROUNDS; attempt++) {
      const cursor =
        this.#options.feedOf(entity)?.cursor.now() ?? (await this.#options.engine.cursor(entity));
      const round = new PatternRound(patterns, cursor);
      try {
        return { cursor, snapshots: await this.#take(entity, round) };
      } catch (error) {
        if (!(error instanceof AheadError)) throw error;
      }
      await this.#letDeliveryCatchUp(attempt);
    }
    throw new MillraceError('unavailable', 'live delivery is behind the log; try again');
  }

  /** A turn is enough, unless notifications of the log were lost, which it takes a second to find. */
  #letDeliveryCatchUp(attempt: number): Promise<void> {
    const { turns, clock } = this.#options;
    return new Promise((resolve) => {
      if (attempt < MAX_ROUNDS / 2) turns.soon(resolve);
      else clock.after(LOST_NOTIFICATION_MS / (MAX_ROUNDS / 2), resolve);
    });
  }

  async #take(entity: string, round: PatternRound): Promise<Snapshot[]> {
    const rounds = this.#rounds.get(entity) ?? new Set();
    this.#rounds.set(entity, rounds.add(round));
    try {
      const topics = await this.#topicsOf(entity, round.patterns);
      return await this.#takeEach(entity, topics, round);
    } finally {
      rounds.delete(round);
      if (rounds.size === 0) this.#rounds.delete(entity);
    }
  }

  async #takeEach(entity: string, topics: readonly string[], round: PatternRound): Promise<Snapshot[]> {
    const snapshots: Snapshot[] = new Array(topics.length);
    let next = 0;
    let length = 0;
    const takeNext = async (): Promise<void> => {
      while (next < topics.length) {
        const index = next++;
        const snapshot = await this.#use(entity, topics[index] as string, (folder) => folder.at(round));
        snapshots[index] = snapshot;
        length += snapshot.state.length;
        if (length > MAX_LENGTH) throw tooLarge(`their states are over ${MAX_LENGTH} characters long`);
      }
    };
    try {
      await Promise.all(Array.from({ length: ABREAST }, takeNext));
    } finally {
      next = topics.length;
    }
    // A topic that was born after the cursor comes as events.
    return snapshots.filter(({ position, topic }) => position.offset > 0 || round.patterns.includes(topic));
  }

  /** Newest first; those that are asked for by name are among them in any case. */
  async #topicsOf(entity: string, patterns: readonly string[]): Promise<string[]> {
    const found = new Map<string, number>();
    for (const pattern of patterns) {
      if (!hasWildcard(pattern))
        found.set(pattern, (await this.#options.engine.head(entity, pattern))?.timestamp ?? 0);
      else for await (const { topic, timestamp } of this.#list(entity, pattern)) found.set(topic, timestamp);
      if (found.size > MAX_TOPICS) throw tooLarge(`over ${MAX_TOPICS} topics match`);
    }
    return [...found].sort(([, a], [, b]) => b - a).map(([topic]) => topic);
  }

  /** Heads of the topics that the pattern shows to a reader, one more than there may be at most. */
  async *#list(entity: string, pattern: string): AsyncIterable<TopicHead> {
    let after = '';
    for (let shown = 0; shown <= MAX_TOPICS; ) {
      const page = await this.#options.engine.topics(entity, pattern, { after, limit: LIST_PAGE });
      for (const head of page) {
        after = head.topic;
        if (!selectsTopic([pattern], head.topic)) continue;
        yield head;
        shown++;
      }
      if (page.length < LIST_PAGE) return;
    }
  }

  async #use<Result>(
    entity: string,
    topic: string,
    use: (folder: TopicFolder) => Promise<Result>,
  ): Promise<Result> {
    const key = keyOf(entity, topic);
    const folder = this.#folders.get(key) ?? new TopicFolder(entity, topic, this.#host);
    this.#folders.delete(key);
    this.#folders.set(key, folder);
    try {
      return await use(folder);
    } finally {
      // It may have been evicted when the last one was done with it.
      if (this.#folders.get(key) === folder) this.#count(folder);
    }
  }

  #count(folder: TopicFolder): void {
    const { bytes } = folder;
    this.#cacheBytes += bytes - (this.#counted.get(folder) ?? 0);
    this.#counted.set(folder, bytes);
    if (this.#cacheBytes > this.#options.maxCacheBytes) this.#evict();
  }

  /** Those that were not asked for the longest go first. */
  #evict(): void {
    for (const [key, folder] of this.#folders) {
      if (this.#cacheBytes <= this.#options.maxCacheBytes) return;
      if (folder.busy) continue;
      this.#folders.delete(key);
      this.#cacheBytes -= this.#counted.get(folder) ?? 0;
      this.#counted.delete(folder);
    }
  }
}

/** A space is in no topic. */
function keyOf(entity: string, topic: string): string {
  return `${topic} ${entity}`;
}

function tooLarge(problem: string): MillraceError {
  return new MillraceError(
    'too-large',
    `snapshot: ${problem}; subscribe to fewer topics, or without "snapshot"`,
  );
}

const NO_ROUNDS: Iterable<PatternRound> = [];
