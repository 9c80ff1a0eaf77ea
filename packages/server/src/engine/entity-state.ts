import { hasWildcard, matchesPattern, type RecoveryFailure, selectsTopic } from '@millrace/protocol';
import { Tombstones } from './tombstones.ts';
import type { TopicState } from './topic-state.ts';

/** What a {@link Ledger} knows of one entity. Only the ledger writes it; engines read it. */
export class EntityState<Own = undefined> {
  readonly entity: string;
  /** Every topic, also those whose first event is still being committed (`offset` 0). */
  readonly topics: Map<string, TopicState<Own>> = new Map();
  readonly tombstones: Tombstones;
  /** `seq` of the newest commit or deletion. */
  lastSeq = 0;
  /** Highest `trimmedSeq` of its topics, past and present: a cursor at or after it has lost nothing to trimming. */
  trimmedSeq = 0;
  /** The topic with the newest event: the head of the list that {@link topicsAfter} walks. */
  #newest: TopicState<Own> | undefined = undefined;
  #sortedNames: string[] | undefined = undefined;

  constructor(entity: string, maxTombstones?: number) {
    this.entity = entity;
    this.tombstones = new Tombstones(maxTombstones);
  }

  /** Whether there is a topic that exists for readers. */
  get holdsTopics(): boolean {
    return this.#newest !== undefined;
  }

  /** A topic that exists for readers. */
  topic(name: string): TopicState<Own> | undefined {
    const topic = this.topics.get(name);
    return topic === undefined || topic.offset === 0 ? undefined : topic;
  }

  /**
   * The topics that match any of the patterns and have an event after `seq`, newest first. Costs what has happened
   * since `seq`, however many topics there are.
   */
  topicsAfter(seq: number, patterns: readonly string[]): TopicState<Own>[] {
    const found: TopicState<Own>[] = [];
    for (let topic = this.#newest; topic !== undefined && topic.lastSeq > seq; topic = topic.older) {
      const { topic: name } = topic;
      if (selectsTopic(patterns, name)) found.push(topic);
    }
    return found;
  }

  /** Up to this seq something may be gone: trimmed, or removed with its topic. */
  get lostSeq(): number {
    return Math.max(this.trimmedSeq, this.tombstones.newestSeq);
  }

  /**
   * Why a reader of these patterns, who has come to `seq`, can not be told everything since; or `undefined`.
   * What was lost before the ledger's tick `waived` does not count.
   */
  missedSince(seq: number, patterns: readonly string[], waived: number): RecoveryFailure | undefined {
    const removed = this.tombstones.missedOfAny(patterns, seq, waived);
    if (removed !== undefined) return removed;
    if (seq >= this.trimmedSeq) return undefined;
    const lost = (topic: TopicState<Own>) => topic.trimmedSeq > seq && topic.trimmedAt >= waived;
    return this.topicsAfter(seq, patterns).some(lost) ? 'expired' : undefined;
  }

  /** Topics that match, sorted by name, at most `limit`, beginning after the name `after`. */
  list(pattern: string, after: string, limit: number): TopicState<Own>[] {
    const found: TopicState<Own>[] = [];
    if (limit <= 0) return found;
    if (!hasWildcard(pattern)) {
      const topic = this.topic(pattern);
      if (topic !== undefined && pattern > after) found.push(topic);
      return found;
    }
    this.#sortedNames ??= [...this.topics.keys()].sort();
    const names = this.#sortedNames;
    for (let i = firstAfter(names, after); i < names.length && found.length < limit; i++) {
      const name = names[i] as string;
      if (!matchesPattern(pattern, name)) continue;
      const topic = this.topic(name);
      if (topic !== undefined) found.push(topic);
    }
    return found;
  }

  add(topic: TopicState<Own>): void {
    this.topics.set(topic.topic, topic);
    this.#sortedNames = undefined;
  }

  remove(topic: TopicState<Own>): void {
    this.topics.delete(topic.topic);
    this.#sortedNames = undefined;
    if (topic === this.#newest || topic.newer !== undefined) this.#unlink(topic);
  }

  /** Puts a topic that has just got an event at the head of the list. */
  touch(topic: TopicState<Own>): void {
    if (topic === this.#newest) return;
    if (topic.newer !== undefined) this.#unlink(topic);
    topic.older = this.#newest;
    if (this.#newest !== undefined) this.#newest.newer = topic;
    this.#newest = topic;
  }

  #unlink(topic: TopicState<Own>): void {
    if (topic.newer === undefined) this.#newest = topic.older;
    else topic.newer.older = topic.older;
    if (topic.older !== undefined) topic.older.newer = topic.newer;
    topic.newer = undefined;
    topic.older = undefined;
  }
}

/** Index of the first name greater than `after`. */
function firstAfter(names: readonly string[], after: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((names[middle] as string) > after) high = middle;
    else low = middle + 1;
  }
  return low;
}
