import { type RecoveryFailure, selectsTopic } from '@millrace/protocol';

/** Removed topics that one entity remembers by name. */
export const MAX_TOMBSTONES = 10_000;

/** What is remembered of a topic that is gone. Whoever has read less than `seq` has missed something. */
export interface Tombstone {
  readonly topic: string;
  /** Of the deletion itself, or of the last event of a topic that was forgotten. */
  readonly seq: number;
  /** `epoch`: deleted. `expired`: forgotten, because retention had emptied it. */
  readonly reason: RecoveryFailure;
}

/** Stands for all tombstones that were too many to keep: below `seq`, any topic may have been removed. */
export interface Watermark {
  readonly seq: number;
  readonly reason: RecoveryFailure;
}

/** A tombstone, and the tick of the ledger at which the topic's events were lost. */
interface Loss extends Watermark {
  readonly lostAt: number;
}

/** An entity's removed topics: the newest {@link MAX_TOMBSTONES} by name, older ones as one watermark. */
export class Tombstones {
  // In order of removal. A name keeps only its newest tombstone: it has the highest seq.
  readonly #byTopic = new Map<string, Loss>();
  readonly #max: number;
  #watermark: Loss = { seq: 0, reason: 'expired', lostAt: 0 };
  #newestSeq = 0;

  constructor(max: number = MAX_TOMBSTONES) {
    this.#max = max;
  }

  /** Whoever has read up to here has missed no removal. */
  get newestSeq(): number {
    return this.#newestSeq;
  }

  get watermark(): Watermark {
    const { seq, reason } = this.#watermark;
    return { seq, reason };
  }

  add({ topic, seq, reason }: Tombstone, lostAt: number): void {
    this.#byTopic.delete(topic);
    this.#byTopic.set(topic, { seq, reason, lostAt });
    this.#newestSeq = Math.max(this.#newestSeq, seq);
    if (this.#byTopic.size > this.#max) this.#collapseOldest();
  }

  raiseWatermark({ seq, reason }: Watermark, lostAt: number): void {
    const known = this.#watermark;
    this.#watermark = {
      seq: Math.max(known.seq, seq),
      // The stronger claim wins once it is among what was collapsed.
      reason: known.reason === 'epoch' ? 'epoch' : reason,
      lostAt: Math.max(known.lostAt, lostAt),
    };
    this.#newestSeq = Math.max(this.#newestSeq, seq);
  }

  /** Why someone who has read `topic` up to `seq` may have missed something of it, or `undefined`. */
  missedOf(topic: string, seq: number): RecoveryFailure | undefined {
    if (seq >= this.#newestSeq) return undefined;
    const loss = this.#byTopic.get(topic);
    if (loss !== undefined && loss.seq > seq) return loss.reason;
    return this.#watermark.seq > seq ? this.#watermark.reason : undefined;
  }

  /** The same for all topics that match any of the patterns; what was lost before the tick `waived` does not count. */
  missedOfAny(patterns: readonly string[], seq: number, waived: number): RecoveryFailure | undefined {
    if (seq >= this.#newestSeq) return undefined;
    const counts = (loss: Loss) => loss.seq > seq && loss.lostAt >= waived;
    if (counts(this.#watermark)) return this.#watermark.reason;
    for (const [topic, loss] of this.#byTopic) {
      if (counts(loss) && selectsTopic(patterns, topic)) return loss.reason;
    }
    return undefined;
  }

  #collapseOldest(): void {
    for (const [topic, loss] of this.#byTopic) {
      this.#byTopic.delete(topic);
      this.raiseWatermark(loss, loss.lostAt);
      return;
    }
  }
}
