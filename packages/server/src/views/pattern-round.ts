import type { Cursor } from '@millrace/protocol';
import { selectsTopic } from '@millrace/protocol';
import type { Snapshot } from '../hub/snapshot.ts';

/**
 * Snapshots of all topics of some patterns, being taken of exactly what one cursor covers. It is known from the moment at
 * which live delivery stands at that cursor: whoever folds one of its topics further takes its snapshot before.
 */
export class PatternRound {
  readonly patterns: readonly string[];
  readonly cursor: Cursor;
  readonly #taken: Map<string, Snapshot> = new Map();

  constructor(patterns: readonly string[], cursor: Cursor) {
    this.patterns = patterns;
    this.cursor = cursor;
  }

  lacks(topic: string): boolean {
    return !this.#taken.has(topic) && selectsTopic(this.patterns, topic);
  }

  taken(topic: string): Snapshot | undefined {
    return this.#taken.get(topic);
  }

  take(snapshot: Snapshot): void {
    this.#taken.set(snapshot.topic, snapshot);
  }
}
