import type { EngineSlot, TopicHead } from './engine.ts';
import { IdempotencyWindow } from './idempotency-window.ts';
import type { FirstAppend } from './key-segment.ts';

/**
 * What a {@link Ledger} knows of one topic. Only the ledger writes these fields; engines read them.
 * `Own` is whatever the engine itself keeps beside it (the memory engine: the events).
 *
 * `offset`, `timestamp` and `sealed` are as committed, which is what readers may see. `planned…` are ahead of them while
 * a commit is under way, and are what the next append builds on.
 */
export class TopicState<Own = undefined> {
  readonly topic: string;
  readonly epoch: string;
  /** `seq` of its first event. */
  readonly birthSeq: number;

  /** 0 until the first event is committed: until then the topic does not exist for readers. */
  offset = 0;
  timestamp = 0;
  sealed = false;
  plannedOffset = 0;
  plannedTimestamp = 0;
  plannedSealed = false;

  /** Of the oldest event kept; `offset + 1` when none is. */
  firstOffset = 1;
  /** Of the events kept: the length of their `data`. */
  bytes = 0;
  /** `seq` of its last event. */
  lastSeq = 0;
  /** `seq` of the newest event that was trimmed; 0 when none was. */
  trimmedSeq = 0;
  /** The ledger's tick at the last trimming. */
  trimmedAt = 0;
  /** Highest token seen, by name. */
  fences: Map<string, number> | undefined = undefined;
  keys: IdempotencyWindow | undefined = undefined;

  // The entity's topics in the order of their last event.
  newer: TopicState<Own> | undefined = undefined;
  older: TopicState<Own> | undefined = undefined;

  own: Own | undefined = undefined;

  constructor(topic: string, epoch: string, birthSeq: number) {
    this.topic = topic;
    this.epoch = epoch;
    this.birthSeq = birthSeq;
  }

  /** How many events are kept. */
  get count(): number {
    return this.offset - this.firstOffset + 1;
  }

  head(slot: EngineSlot): TopicHead {
    return {
      topic: this.topic,
      slot,
      position: { epoch: this.epoch, offset: this.offset },
      partition: 0,
      firstOffset: this.firstOffset,
      trimmedSeq: this.trimmedSeq,
      sealed: this.sealed,
      timestamp: this.timestamp,
      bytes: this.bytes,
    };
  }

  remember(key: string, first: FirstAppend): void {
    this.keys ??= new IdempotencyWindow();
    this.keys.add(key, first);
  }

  raiseFence(name: string, token: number): void {
    this.fences ??= new Map();
    this.fences.set(name, token);
  }
}
