import type { ConsumerTable } from './consumers.ts';
import type { CommittedBatch, Ledger } from './ledger.ts';
import type { Change } from './sqlite-committer.ts';
import { type DurableTopic, type TopicFile, topicId } from './sqlite-encoding.ts';
import type { Writes } from './sqlite-statements.ts';
import type { SweepOrder } from './sqlite-sweeper.ts';

/**
 * Topics going away. One transaction takes the topic's name from it; its events are swept later, a few at a time.
 * These changes commit alone, so that nothing of the topic is under way.
 */
export class Removal {
  readonly #ledger: Ledger<TopicFile>;
  readonly #consumers: ConsumerTable;
  readonly #notify: (batch: CommittedBatch) => void;

  constructor(ledger: Ledger<TopicFile>, consumers: ConsumerTable, notify: (batch: CommittedBatch) => void) {
    this.#ledger = ledger;
    this.#consumers = consumers;
    this.#notify = notify;
  }

  delete(entity: string, name: string): Change | undefined {
    const topic = this.#ledger.topic(entity, name);
    if (topic === undefined) return undefined;
    const rows = new RemovalRows(this.#ledger);
    // The seq that the ledger gives to the deletion below.
    rows.add(entity, topic, this.#ledger.seq + 1, 'epoch');
    return {
      writes: rows.writes,
      sweeps: rows.sweeps,
      apply: () => {
        const { batch } = this.#ledger.delete(entity, topic);
        this.#consumers.remove(entity, name);
        this.#notify(batch);
      },
    };
  }

  /** Forgets topics that hold nothing. */
  forget(candidates: readonly { entity: string; topic: DurableTopic }[]): Change | undefined {
    const empty = candidates.filter(
      ({ entity, topic }) => topic.count === 0 && this.#ledger.topic(entity, topic.topic) === topic,
    );
    if (empty.length === 0) return undefined;
    const rows = new RemovalRows(this.#ledger);
    for (const { entity, topic } of empty) rows.add(entity, topic, topic.lastSeq, 'expired');
    return {
      writes: rows.writes,
      sweeps: rows.sweeps,
      apply: () => {
        for (const { entity, topic } of empty) {
          this.#ledger.forget(entity, topic);
          this.#consumers.remove(entity, topic.topic);
        }
      },
    };
  }
}

class RemovalRows {
  readonly writes: Required<
    Pick<Writes, 'removal' | 'tombstone' | 'consumers' | 'watermark' | 'coveredTombstones'>
  > = { removal: [], tombstone: [], consumers: [], watermark: [], coveredTombstones: [] };
  readonly sweeps: SweepOrder[] = [];
  readonly #ledger: Ledger<TopicFile>;

  constructor(ledger: Ledger<TopicFile>) {
    this.#ledger = ledger;
  }

  add(entity: string, topic: DurableTopic, seq: number, reason: 'epoch' | 'expired'): void {
    const id = topicId(topic);
    this.writes.removal.push(id);
    this.writes.tombstone.push(entity, topic.topic, seq, reason);
    this.writes.consumers.push(entity, topic.topic);
    this.sweeps.push({ topic: id, through: Number.MAX_SAFE_INTEGER, deleted: true });
    const watermark = this.#ledger.entity(entity)?.tombstones.watermark;
    if (watermark === undefined || watermark.seq === 0) return;
    this.writes.watermark.push(entity, watermark.seq, watermark.reason);
    this.writes.coveredTombstones.push(entity, watermark.seq);
  }
}
