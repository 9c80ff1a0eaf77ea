import type { Ledger } from './ledger.ts';
import { type ChangeOutcome, failureError } from './sqlite-commit-outcome.ts';
import type { Change } from './sqlite-committer.ts';
import { type DurableTopic, spanOf, type TopicFile, topicId } from './sqlite-encoding.ts';
import type { TrimPoint, TrimPointRequest } from './sqlite-pages.ts';
import type { Writes } from './sqlite-statements.ts';
import type { SweepOrder } from './sqlite-sweeper.ts';

export interface TrimmerOptions {
  readonly ledger: Ledger<TopicFile>;
  readonly trimPoints: (topics: TrimPointRequest['topics']) => Promise<readonly TrimPoint[]>;
  readonly commit: (
    decide: () => Change | undefined,
    how: { readonly alone: boolean },
  ) => Promise<ChangeOutcome>;
}

/** A topic to cut, and where to look for the place. */
export interface Cut {
  readonly entity: string;
  readonly topic: DurableTopic;
  readonly order: TrimPointRequest['topics'][number];
}

/** A call of {@link Trimmer.trim} that waits. */
interface Waiting {
  readonly entity: string;
  readonly topic: string;
  readonly upTo: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Topics that are cut in one transaction. */
const BATCH_TOPICS = 500;

/**
 * Takes away the beginnings of topics. Where exactly to cut is looked up by the reader thread; readers see the cut at
 * once; the writer records it, and deletes the rows a few at a time.
 */
export class Trimmer {
  readonly #options: TrimmerOptions;
  /** Trimmed topics, with their entities, whose new beginning is not in the file yet. */
  readonly #unrecorded = new Map<DurableTopic, string>();
  #waiting: Waiting[] = [];
  #working = false;

  constructor(options: TrimmerOptions) {
    this.#options = options;
  }

  /** `Engine.trim`. What is asked for while a commit is under way shares the next one. */
  trim(entity: string, topic: string, upTo: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entity, topic, upTo, resolve, reject });
      if (!this.#working) void this.#work();
    });
  }

  /** Cuts, and records it. What cannot be recorded now is left for {@link record}. */
  async cut(cuts: readonly Cut[]): Promise<void> {
    await this.#cutAll(cuts);
    await this.record();
  }

  /** Records what is not recorded yet. Alone: what makes room must not fail together with appends that find none. */
  async record(): Promise<void> {
    await this.#record({ alone: true });
  }

  async #work(): Promise<void> {
    this.#working = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, BATCH_TOPICS);
      try {
        await this.#cutAll(batch.flatMap((each) => this.#cutFor(each)));
        // Not alone, which would hold up appends.
        const outcome = await this.#record({ alone: false });
        if (outcome !== 'stored' && outcome !== 'nothing') throw failureError(outcome);
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#working = false;
  }

  #cutFor({ entity, topic: name, upTo }: Waiting): Cut[] {
    const topic = this.#options.ledger.topic(entity, name);
    if (topic === undefined || upTo < topic.firstOffset || topic.count === 0) return [];
    const { trimmedTotal } = topic.own as TopicFile;
    const through = Math.min(upTo, topic.offset);
    const all = { mayTrim: through, before: 0, maxBytes: Number.MAX_VALUE };
    const order = { span: spanOf(topic), trimmedTotal, through, ...all };
    return [{ entity, topic, order }];
  }

  async #cutAll(cuts: readonly Cut[]): Promise<void> {
    if (cuts.length === 0) return;
    const points = await this.#options.trimPoints(cuts.map(({ order }) => order));
    for (const [index, { entity, topic }] of cuts.entries()) {
      this.#cutAt(entity, topic, points[index] as TrimPoint);
    }
  }

  /** For readers it is gone from here on, before any row is: nobody is ever served what is half deleted. */
  #cutAt(entity: string, topic: DurableTopic, point: TrimPoint): void {
    const { ledger } = this.#options;
    const own = topic.own as TopicFile;
    // Cut further, deleted or both while the place was looked up: then the rows that were looked at may be gone.
    if (point.offset + 1 < topic.firstOffset || ledger.topic(entity, topic.topic) !== topic) return;
    own.firstTimestamp = point.nextTimestamp === 0 ? topic.timestamp : point.nextTimestamp;
    if (point.offset < topic.firstOffset) return;
    ledger.trim(entity, topic, point.offset + 1, point.seq, topic.bytes - (point.total - own.trimmedTotal));
    own.trimmedTotal = point.total;
    this.#unrecorded.set(topic, entity);
  }

  async #record(how: { readonly alone: boolean }): Promise<ChangeOutcome> {
    const topics = [...this.#unrecorded];
    if (topics.length === 0) return 'nothing';
    const recorded = new Map<DurableTopic, number>();
    const outcome = await this.#options.commit(() => this.#recordOf(topics, recorded), how);
    if (outcome !== 'stored' && outcome !== 'nothing') return outcome;
    for (const [topic] of topics) {
      const through = recorded.get(topic);
      // It may have been cut again meanwhile; one that was not recorded is gone.
      if (through === undefined || through === topic.firstOffset - 1) this.#unrecorded.delete(topic);
    }
    return outcome;
  }

  #recordOf(
    topics: readonly (readonly [DurableTopic, string])[],
    recorded: Map<DurableTopic, number>,
  ): Change | undefined {
    const trim: NonNullable<Writes['trim']> = [];
    const sweeps: SweepOrder[] = [];
    for (const [topic, entity] of topics) {
      if (this.#options.ledger.topic(entity, topic.topic) !== topic) continue;
      const id = topicId(topic);
      const through = topic.firstOffset - 1;
      recorded.set(topic, through);
      // The time matters only if nothing is left; then the last event is the newest of those trimmed.
      trim.push(through, topic.trimmedSeq, (topic.own as TopicFile).trimmedTotal, topic.timestamp, id);
      sweeps.push({ topic: id, through, deleted: false });
    }
    return sweeps.length === 0 ? undefined : { writes: { trim }, sweeps, apply: () => {} };
  }
}
