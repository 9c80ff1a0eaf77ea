import type { Clock, Timer, Turns } from '../clock.ts';
import type { Retention } from './engine.ts';
import type { Ledger } from './ledger.ts';
import type { ChangeOutcome } from './sqlite-commit-outcome.ts';
import type { Change } from './sqlite-committer.ts';
import { type DurableTopic, type TopicFile, topicId } from './sqlite-encoding.ts';
import type { TrimPoint, TrimPointRequest } from './sqlite-pages.ts';
import type { Writes } from './sqlite-statements.ts';
import type { SweepOrder } from './sqlite-sweeper.ts';

export interface RetentionKeeperOptions {
  readonly ledger: Ledger<TopicFile>;
  readonly clock: Clock;
  readonly turns: Turns;
  /** Asked once in a topic's life. */
  readonly retention: (topic: string) => Retention;
  readonly intervalMs: number;
  /** How long a topic that holds no events must have been silent to be forgotten. */
  readonly forgetAfterMs: number;
  readonly trimPoints: (topics: TrimPointRequest['topics']) => Promise<readonly TrimPoint[]>;
  readonly commit: (decide: () => Change | undefined) => Promise<ChangeOutcome>;
  readonly forget: (topics: readonly Empty[]) => Promise<unknown>;
  readonly sweepLeases: () => void;
  readonly onError: (error: unknown) => void;
}

/** Topics that are cut, or forgotten, in one transaction: a few milliseconds of the writer's time. */
const BATCH_TOPICS = 500;
/** Topics that are looked at before the event loop has its turn: about a millisecond. */
const TURN_TOPICS = 5000;

/**
 * Keeps topics within their bounds of count, age and bytes. Which topics are over is known in memory; where exactly to
 * cut is looked up by the reader thread; readers see the cut at once; the writer records it, and deletes the rows a
 * few at a time.
 */
export class RetentionKeeper {
  readonly #options: RetentionKeeperOptions;
  #timer: Timer;
  #stopped = false;
  /** The pass under way, if any. */
  #pass: Promise<void> | undefined = undefined;
  /** The clock struck while it was under way. */
  #again = false;
  /** Trimmed topics, with their entities, whose new beginning is not in the file yet. */
  readonly #unrecorded = new Map<DurableTopic, string>();

  constructor(options: RetentionKeeperOptions) {
    this.#options = options;
    this.#timer = options.clock.after(options.intervalMs, this.#tick);
  }

  /** Resolves when the pass under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer.cancel();
    await this.#pass;
  }

  readonly #tick = (): void => {
    const { clock, intervalMs } = this.#options;
    this.#timer = clock.after(intervalMs, this.#tick);
    if (this.#pass !== undefined) this.#again = true;
    else this.#pass = this.#runWhileAsked();
  };

  async #runWhileAsked(): Promise<void> {
    do {
      this.#again = false;
      try {
        await this.#run();
      } catch (error) {
        if (!this.#stopped) this.#options.onError(error);
      }
    } while (this.#again && !this.#stopped);
    this.#pass = undefined;
  }

  async #run(): Promise<void> {
    const { ledger, clock, forgetAfterMs, sweepLeases } = this.#options;
    const now = clock.now();
    let overdue: Overdue[] = [];
    let empty: Empty[] = [];
    let seen = 0;
    sweepLeases();
    await this.#record();
    // Topics come and go while this waits; a Map's iterator takes that well.
    for (const { entity, topics } of ledger.entities()) {
      for (const topic of topics.values()) {
        const own = topic.own;
        if (own === undefined || topic.offset === 0) continue;
        if (topic.count === 0) {
          if (now - topic.timestamp >= forgetAfterMs) empty.push({ entity, topic });
        } else {
          const order = this.#orderOf(topic, own, now);
          if (order !== undefined) overdue.push({ entity, topic, order });
        }
        if (overdue.length >= BATCH_TOPICS) {
          await this.#trim(overdue);
          overdue = [];
        }
        if (empty.length >= BATCH_TOPICS) {
          await this.#options.forget(empty);
          empty = [];
        }
        if (++seen % TURN_TOPICS === 0) await this.#nextTurn();
        if (this.#stopped) return;
      }
    }
    if (overdue.length > 0) await this.#trim(overdue);
    if (empty.length > 0 && !this.#stopped) await this.#options.forget(empty);
  }

  #nextTurn(): Promise<void> {
    return new Promise((resolve) => {
      this.#options.turns.soon(resolve);
    });
  }

  /** Where to look for the cut, when there is to be one. */
  #orderOf(topic: DurableTopic, own: TopicFile, now: number): Overdue['order'] | undefined {
    own.retention ??= this.#options.retention(topic.topic);
    const { maxEvents = Infinity, maxBytes = Infinity, maxAgeMs = Infinity } = own.retention;
    const before = Math.max(0, now - maxAgeMs);
    if (topic.count <= maxEvents && topic.bytes <= maxBytes && own.firstTimestamp >= before) return undefined;
    const span = { topic: topicId(topic), first: topic.firstOffset, last: topic.offset };
    const through = Math.max(topic.firstOffset - 1, topic.offset - maxEvents);
    return { span, through, before, maxBytes, trimmedTotal: own.trimmedTotal };
  }

  async #trim(batch: readonly Overdue[]): Promise<void> {
    const points = await this.#options.trimPoints(batch.map(({ order }) => order));
    for (const [index, { entity, topic }] of batch.entries()) {
      this.#cut(entity, topic, points[index] as TrimPoint);
    }
    await this.#record();
  }

  /** For readers it is gone from here on, before any row is: nobody is ever served what is half deleted. */
  #cut(entity: string, topic: DurableTopic, point: TrimPoint): void {
    const { ledger } = this.#options;
    const own = topic.own as TopicFile;
    own.firstTimestamp = point.nextTimestamp === 0 ? topic.timestamp : point.nextTimestamp;
    if (point.offset < topic.firstOffset || ledger.topic(entity, topic.topic) !== topic) return;
    ledger.trim(entity, topic, point.offset + 1, point.seq, topic.bytes - (point.total - own.trimmedTotal));
    own.trimmedTotal = point.total;
    this.#unrecorded.set(topic, entity);
  }

  async #record(): Promise<void> {
    const topics = [...this.#unrecorded];
    if (topics.length === 0) return;
    const outcome = await this.#options.commit(() => this.#recordOf(topics));
    if (outcome !== 'stored' && outcome !== 'nothing') return;
    for (const [topic] of topics) this.#unrecorded.delete(topic);
  }

  #recordOf(topics: readonly (readonly [DurableTopic, string])[]): Change | undefined {
    const trim: NonNullable<Writes['trim']> = [];
    const sweeps: SweepOrder[] = [];
    for (const [topic, entity] of topics) {
      if (this.#options.ledger.topic(entity, topic.topic) !== topic) continue;
      const id = topicId(topic);
      const through = topic.firstOffset - 1;
      // The time matters only if nothing is left; then the last event is the newest of those trimmed.
      trim.push(through, topic.trimmedSeq, (topic.own as TopicFile).trimmedTotal, topic.timestamp, id);
      sweeps.push({ topic: id, through, deleted: false });
    }
    return sweeps.length === 0 ? undefined : { writes: { trim }, sweeps, apply: () => {} };
  }
}

interface Empty {
  readonly entity: string;
  readonly topic: DurableTopic;
}

interface Overdue extends Empty {
  readonly order: TrimPointRequest['topics'][number];
}
