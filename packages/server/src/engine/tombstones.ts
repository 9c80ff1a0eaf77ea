import { matchesPattern, type RecoveryFailure } from '@millrace/protocol';

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

/** An entity's removed topics: the newest {@link MAX_TOMBSTONES} by name, older ones as one watermark. */
export class Tombstones {
  // In order of removal. A name keeps only its newest tombstone: it has the highest seq.
  readonly #byTopic = new Map<string, Tombstone>();
  readonly #max: number;
  #watermark: Watermark = { seq: 0, reason: 'expired' };
  #newestSeq = 0;

  constructor(max: number = MAX_TOMBSTONES) {
    this.#max = max;
  }

  /** Whoever has read up to here has missed no removal. */
  get newestSeq(): number {
    return this.#newestSeq;
  }

  get watermark(): Watermark {
    return this.#watermark;
  }

  add(tombstone: Tombstone): void {
    this.#byTopic.delete(tombstone.topic);
    this.#byTopic.set(tombstone.topic, tombstone);
    if (tombstone.seq > this.#newestSeq) this.#newestSeq = tombstone.seq;
    if (this.#byTopic.size > this.#max) this.#collapseOldest();
  }

  raiseWatermark(watermark: Watermark): void {
    const { seq, reason } = this.#watermark;
    // "epoch" is the stronger claim, so it wins once it is among what was collapsed.
    this.#watermark = {
      seq: Math.max(seq, watermark.seq),
      reason: seq === 0 || reason === 'expired' ? watermark.reason : reason,
    };
    if (watermark.seq > this.#newestSeq) this.#newestSeq = watermark.seq;
  }

  /** Why someone who has read `topic` up to `seq` may have missed something of it, or `undefined`. */
  missedOf(topic: string, seq: number): RecoveryFailure | undefined {
    if (seq >= this.#newestSeq) return undefined;
    const tombstone = this.#byTopic.get(topic);
    if (tombstone !== undefined && tombstone.seq > seq) return tombstone.reason;
    return this.#watermark.seq > seq ? this.#watermark.reason : undefined;
  }

  /** The same for all topics that match any of the patterns. */
  missedOfAny(patterns: readonly string[], seq: number): RecoveryFailure | undefined {
    if (seq >= this.#newestSeq) return undefined;
    if (this.#watermark.seq > seq) return this.#watermark.reason;
    for (const tombstone of this.#byTopic.values()) {
      if (tombstone.seq > seq && patterns.some((pattern) => matchesPattern(pattern, tombstone.topic)))
        return tombstone.reason;
    }
    return undefined;
  }

  #collapseOldest(): void {
    for (const oldest of this.#byTopic.values()) {
      this.#byTopic.delete(oldest.topic);
      this.raiseWatermark(oldest);
      return;
    }
  }
}
