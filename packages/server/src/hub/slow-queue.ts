import type { StoredEvent } from '../engine/engine.ts';

/** What becomes of the events of a session that does not read as fast as they come. */
export const SLOW_POLICIES = ['catchup', 'drop-oldest', 'conflate', 'disconnect'] as const;
export type SlowPolicy = (typeof SLOW_POLICIES)[number];

/** A policy under which the newest events wait in memory and older ones are left out. */
export type DroppingPolicy = Extract<SlowPolicy, 'drop-oldest' | 'conflate'>;

export function isDropping(policy: SlowPolicy): policy is DroppingPolicy {
  return policy === 'drop-oldest' || policy === 'conflate';
}

/** Bounds of what may wait for one slow session, over all its queues. */
export interface QueueBounds {
  readonly maxEvents: number;
  /** Of data, in UTF-16 code units. */
  readonly maxBytes: number;
}

/** Events that were left out. */
export interface Dropped {
  /** `undefined` when they are of more topics than are told one by one. */
  readonly topic: string | undefined;
  /** The first and last of them, of one topic. */
  readonly from?: number;
  readonly to?: number;
  readonly count: number;
  /** `slow`: there was no room. `conflated`: a newer event of the same key came. */
  readonly reason: 'slow' | 'conflated';
}

/** Topics whose losses are told one by one. */
const MAX_TOPICS_TOLD = 32;

/**
 * What waits for a subscription of a slow session under a dropping policy: the newest events, or the newest of each
 * key. Remembers what it leaves out.
 */
export class SlowQueue {
  readonly #policy: DroppingPolicy;
  /** In the order they came. */
  #waiting: Map<string, StoredEvent> = new Map();
  #bytes = 0;
  #dropped: Map<string, Dropped> = new Map();

  constructor(policy: DroppingPolicy) {
    this.#policy = policy;
  }

  get length(): number {
    return this.#waiting.size;
  }

  /** Of data, in UTF-16 code units. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The event waits, and one that it is a newer state of does no more. Whoever pushes sees to the bounds: {@link makeRoom}. */
  push(event: StoredEvent): void {
    const name = this.#nameOf(event);
    const older = this.#waiting.get(name);
    if (older !== undefined) this.#leaveOut(name, older, 'conflated');
    this.#waiting.set(name, event);
    this.#bytes += event.data.length;
  }

  leaveOutOldest(): void {
    for (const [oldest, waiting] of this.#waiting) {
      this.#leaveOut(oldest, waiting, 'slow');
      return;
    }
  }

  /** What waits, in the order it came, and what was left out before; nothing of either is left. */
  drain(): { readonly events: readonly StoredEvent[]; readonly dropped: readonly Dropped[] } {
    const events = [...this.#waiting.values()];
    const dropped = [...this.#dropped.values()];
    this.#waiting = new Map();
    this.#bytes = 0;
    this.#dropped = new Map();
    return { events, dropped };
  }

  /** Two events of one name are states of one thing: of those without a key, of all with their topic and event name. */
  #nameOf({ topic, event, key, epoch, offset }: StoredEvent): string {
    if (this.#policy === 'drop-oldest') return `${topic}\n${epoch}\n${offset}`;
    return key === undefined ? `${topic}\n\n${event}` : `${topic}\n${key}`;
  }

  #leaveOut(name: string, event: StoredEvent, reason: Dropped['reason']): void {
    this.#waiting.delete(name);
    this.#bytes -= event.data.length;
    const { topic, epoch, offset } = event;
    const of = `${reason}\n${topic}\n${epoch}`;
    const known = this.#dropped.get(of);
    if (known !== undefined) {
      const from = Math.min(known.from ?? offset, offset);
      const to = Math.max(known.to ?? offset, offset);
      this.#dropped.set(of, { topic, from, to, count: known.count + 1, reason });
    } else if (this.#dropped.size < MAX_TOPICS_TOLD) {
      this.#dropped.set(of, { topic, from: offset, to: offset, count: 1, reason });
    } else {
      const count = (this.#dropped.get(reason)?.count ?? 0) + 1;
      this.#dropped.set(reason, { topic: undefined, count, reason });
    }
  }
}

/**
 * Leaves out the oldest events of whichever queue is the fullest until all of a session's together keep the bounds. The newest
 * event waits however large it is. Answers how many were left out.
 */
export function makeRoom(queues: readonly SlowQueue[], { maxEvents, maxBytes }: QueueBounds): number {
  for (let leftOut = 0; ; leftOut++) {
    let events = 0;
    let bytes = 0;
    let fullest: SlowQueue | undefined;
    let fullness = 0;
    for (const queue of queues) {
      events += queue.length;
      bytes += queue.bytes;
      const share = Math.max(queue.length / maxEvents, queue.bytes / maxBytes);
      if (share <= fullness) continue;
      fullest = queue;
      fullness = share;
    }
    if (events <= 1 || (events <= maxEvents && bytes <= maxBytes)) return leftOut;
    fullest?.leaveOutOldest();
  }
}
