import type { Cursor } from '@millrace/protocol';
import { hasWildcard, matchesPattern, type RecoveryFailure } from '@millrace/protocol';
import type { FollowListener, StoredEvent } from './engine.ts';

/** Topics whose followers are remembered. */
const MAX_CACHED_TOPICS = 10_000;

/** One `follow`. */
export class Follower {
  readonly pattern: string;
  readonly listener: FollowListener;
  /** From joining to leaving. */
  active = false;
  /** What the delivery under way holds for it. */
  mail: StoredEvent[] = [];

  constructor(pattern: string, listener: FollowListener) {
    this.pattern = pattern;
    this.listener = listener;
  }
}

/** The followers of one entity: who gets which event. */
export class Audience {
  readonly #onError: (error: unknown) => void;
  /** Followers of `*`, who get every batch as it is. */
  #everything: readonly Follower[] = [];
  readonly #exact = new Map<string, Follower[]>();
  #patterns: readonly Follower[] = [];
  /** Topic → its followers, those of `*` left out. */
  readonly #matches = new Map<string, readonly Follower[]>();
  #size = 0;

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  get size(): number {
    return this.#size;
  }

  add(follower: Follower): void {
    const { pattern } = follower;
    follower.active = true;
    this.#size++;
    if (pattern === '*') {
      this.#everything = [...this.#everything, follower];
      return;
    }
    this.#matches.clear();
    if (hasWildcard(pattern)) this.#patterns = [...this.#patterns, follower];
    else this.#exact.set(pattern, [...(this.#exact.get(pattern) ?? []), follower]);
  }

  /** No call reaches the follower any more, not even of a delivery under way. */
  remove(follower: Follower): void {
    if (!follower.active) return;
    follower.active = false;
    this.#size--;
    const others = (followers: readonly Follower[]) => followers.filter((other) => other !== follower);
    const { pattern } = follower;
    if (pattern === '*') {
      this.#everything = others(this.#everything);
      return;
    }
    this.#matches.clear();
    if (hasWildcard(pattern)) {
      this.#patterns = others(this.#patterns);
      return;
    }
    const left = others(this.#exact.get(pattern) ?? []);
    if (left.length > 0) this.#exact.set(pattern, left);
    else this.#exact.delete(pattern);
  }

  /** Calls listeners. Who joins from inside one gets nothing of this batch; who leaves gets nothing more. */
  deliver(events: readonly StoredEvent[]): void {
    // Before any listener runs: what it changes must not change who gets these events.
    const everything = this.#everything;
    const addressed = this.#size > everything.length ? this.#sort(events) : [];
    for (const follower of everything) this.#call(follower, events);
    for (const follower of addressed) {
      const mail = follower.mail;
      follower.mail = [];
      this.#call(follower, mail);
    }
  }

  gap(reason: RecoveryFailure, head: Cursor): void {
    const all = [...this.#everything, ...this.#patterns, ...[...this.#exact.values()].flat()];
    for (const { active, listener } of all) {
      if (!active) continue;
      try {
        listener.onGap(reason, head);
      } catch (error) {
        this.#onError(error);
      }
    }
  }

  /** Puts each event into the mail of its followers; answers with those who have any. */
  #sort(events: readonly StoredEvent[]): Follower[] {
    const addressed: Follower[] = [];
    for (const event of events) {
      for (const follower of this.#matches.get(event.topic) ?? this.#match(event.topic)) {
        if (follower.mail.push(event) === 1) addressed.push(follower);
      }
    }
    return addressed;
  }

  #match(topic: string): readonly Follower[] {
    const exact = this.#exact.get(topic) ?? [];
    const matched = [...exact, ...this.#patterns.filter(({ pattern }) => matchesPattern(pattern, topic))];
    if (this.#matches.size >= MAX_CACHED_TOPICS) this.#matches.clear();
    this.#matches.set(topic, matched);
    return matched;
  }

  #call(follower: Follower, events: readonly StoredEvent[]): void {
    if (!follower.active) return;
    try {
      follower.listener.onEvents(events);
    } catch (error) {
      this.#onError(error);
    }
  }
}
