import type { Clock, Timer, Turns } from '../clock.ts';
import type { HoldOf, Retention } from './engine.ts';
import type { Ledger } from './ledger.ts';
import { type DurableTopic, spanOf, type TopicFile } from './sqlite-encoding.ts';
import type { Cut, Trimmer } from './sqlite-trimmer.ts';

export interface RetentionKeeperOptions {
  readonly ledger: Ledger<TopicFile>;
  readonly clock: Clock;
  readonly turns: Turns;
  /** Asked once in a topic's life. */
  readonly retention: (topic: string, entity: string) => Retention;
  /** Likewise. */
  readonly holdOf: HoldOf | undefined;
  readonly intervalMs: number;
  /** How long a topic that holds no events must have been silent to be forgotten. */
  readonly forgetAfterMs: number;
  readonly trimmer: Trimmer;
  readonly forget: (topics: readonly Empty[]) => Promise<unknown>;
  readonly sweepLeases: () => void;
  readonly onError: (error: unknown) => void;
}

/** Topics that are cut, or forgotten, in one transaction: a few milliseconds of the writer's time. */
const BATCH_TOPICS = 500;
/** Topics that are looked at before the event loop has its turn: about a millisecond. */
const TURN_TOPICS = 5000;

/** Keeps topics within their bounds of count, age and bytes. Which topics are over is known in memory. */
export class RetentionKeeper {
  readonly #options: RetentionKeeperOptions;
  #timer: Timer;
  #stopped = false;
  /** The pass under way, if any. */
  #pass: Promise<void> | undefined = undefined;
  /** The clock struck while it was under way. */
  #again = false;

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
    const { ledger, clock, trimmer, forgetAfterMs, sweepLeases } = this.#options;
    const now = clock.now();
    let overdue: Cut[] = [];
    let empty: Empty[] = [];
    let seen = 0;
    sweepLeases();
    await trimmer.record();
    // Topics come and go while this waits; a Map's iterator takes that well.
    for (const { entity, topics } of ledger.entities()) {
      for (const topic of topics.values()) {
        const own = topic.own;
        if (own === undefined || topic.offset === 0) continue;
        if (topic.count === 0) {
          if (now - topic.timestamp >= forgetAfterMs) empty.push({ entity, topic });
        } else {
          const order = this.#orderOf(entity, topic, own, now);
          if (order !== undefined) overdue.push({ entity, topic, order });
        }
        if (overdue.length >= BATCH_TOPICS) {
          await trimmer.cut(overdue);
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
    if (overdue.length > 0) await trimmer.cut(overdue);
    if (empty.length > 0 && !this.#stopped) await this.#options.forget(empty);
  }

  #nextTurn(): Promise<void> {
    return new Promise((resolve) => {
      this.#options.turns.soon(resolve);
    });
  }

  /** Where to look for the cut, when there is to be one. */
  #orderOf(entity: string, topic: DurableTopic, own: TopicFile, now: number): Cut['order'] | undefined {
    if (own.retention === undefined) {
      own.retention = this.#options.retention(topic.topic, entity);
      own.hold = this.#options.holdOf?.(entity, topic.topic, topic.epoch);
    }
    const { maxEvents = Infinity, maxBytes = Infinity, maxAgeMs = Infinity } = own.retention;
    const before = Math.max(0, now - maxAgeMs);
    if (topic.count <= maxEvents && topic.bytes <= maxBytes && own.firstTimestamp >= before) return undefined;
    const wanted = Math.max(topic.firstOffset - 1, topic.offset - maxEvents);
    const mayTrim =
      own.hold?.mayTrim(Math.max(wanted, topic.firstOffset), topic.offset) ?? Number.MAX_SAFE_INTEGER;
    if (mayTrim < topic.firstOffset) return undefined;
    const through = Math.min(wanted, mayTrim);
    return { span: spanOf(topic), through, mayTrim, before, maxBytes, trimmedTotal: own.trimmedTotal };
  }
}

interface Empty {
  readonly entity: string;
  readonly topic: DurableTopic;
}
