import type { StoredEvent } from '../engine/engine.ts';

/** What becomes of the events of a session that does not read as fast as they come. */
export const SLOW_POLICIES = ['catchup', 'drop-oldest', 'conflate', 'disconnect'] as const;
export type SlowPolicy = (typeof SLOW_POLICIES)[number];

/** A policy under which the newest events wait in memory and older ones are left out. */
export type DroppingPolicy = Extract<SlowPolicy, 'drop-oldest' | 'conflate'>;

export function isDropping(policy: SlowPolicy): policy is DroppingPolicy {
  return policy === 'drop-oldest' || policy === 'conflate';
}

/** Bounds of what may wait for one subscription of a slow session. */
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
 * key, within bounds. Counts what it leaves out.
 */
export class SlowQueue {
  readonly #policy: DroppingPolicy;
  readonly #bounds: QueueBounds;
  /** In the order they came. */
  #waiting: Map<string, StoredEvent> = new Map();
  #bytes = 0;
  #dropped: Map<string, Dropped> = new Map();

  constructor(policy: DroppingPolicy, bounds: QueueBounds) {
    this.#policy = policy;
    this.#bounds = bounds;
  }

  get length(): number {
    return this.#waiting.size;
  }

  push(event: StoredEvent): void {
    const name = this.#nameOf(event);
    const older = this.#waiting.get(name);
    if (older !== undefined) this.#leaveOut(name, older, 'conflated');
    this.#waiting.set(name, event);
    this.#bytes += event.data.length;
    for (const [oldest, waiting] of this.#waiting) {
      if (this.#waiting.size <= this.#bounds.maxEvents && this.#bytes <= this.#bounds.maxBytes) break;
      if (this.#waiting.size === 1) break;
      this.#leaveOut(oldest, waiting, 'slow');
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
