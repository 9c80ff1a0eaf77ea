import type { ReadLimit, StoredEvent } from './engine.ts';
import type { EventRing } from './event-ring.ts';
import { lowestWhere } from './partition-point.ts';

/** Index of the first event after a seq. */
export function indexAfterSeq(ring: EventRing, seq: number): number {
  return lowestWhere(0, ring.length - 1, (index) => ring.at(index).seq > seq);
}

/** Index of the first event at or after a time (ms). */
export function indexAtTime(ring: EventRing, time: number): number {
  return lowestWhere(0, ring.length - 1, (index) => ring.at(index).timestamp >= time);
}

/**
 * The seq before the newest `count` events of all rings together. The rings hold something and come newest first;
 * `lastSeq` is at or after their last events.
 */
export function seqBeforeNewest(rings: readonly EventRing[], count: number, lastSeq: number): number {
  if (count === 0) return lastSeq;
  // Each of the newest `count` rings has an event that is newer than all of the rings behind it.
  const candidates = rings.slice(0, count);
  const oldest = lowestWhere(0, lastSeq, (seq) => {
    let newer = 0;
    for (const ring of candidates) newer += ring.length - indexAfterSeq(ring, seq);
    return newer < count;
  });
  return Math.max(0, oldest - 1);
}

/** The seq before the first event at or after a time (ms) in any of the rings; `lastSeq` when there is none. */
export function seqBeforeTime(rings: readonly EventRing[], time: number, lastSeq: number): number {
  let before = lastSeq;
  for (const ring of rings) {
    const index = indexAtTime(ring, time);
    if (index < ring.length) before = Math.min(before, ring.at(index).seq - 1);
  }
  return before;
}

/** Events from an index on. */
export function pageOf(ring: EventRing, from: number, limit: ReadLimit): StoredEvent[] {
  const events: StoredEvent[] = [];
  let bytes = 0;
  for (let index = from; index < ring.length && !isFull(events.length, bytes, limit); index++) {
    const event = ring.at(index);
    events.push(event);
    bytes += event.data.length;
  }
  return events;
}

/** One topic's part in a merge: its events from `index` on. There is at least one. */
export interface Run {
  readonly ring: EventRing;
  index: number;
}

/** The first events of all runs in seq order. Moves the runs on. */
export function mergeRuns(runs: Run[], limit: ReadLimit): StoredEvent[] {
  const events: StoredEvent[] = [];
  let bytes = 0;
  // A sorted array is a heap.
  const heap = runs.sort((a, b) => seqOf(a) - seqOf(b));
  while (heap.length > 0 && !isFull(events.length, bytes, limit)) {
    const run = heap[0] as Run;
    const event = run.ring.at(run.index++);
    events.push(event);
    bytes += event.data.length;
    if (run.index === run.ring.length) {
      const last = heap.pop() as Run;
      if (heap.length > 0) heap[0] = last;
    }
    sink(heap);
  }
  return events;
}

function isFull(count: number, bytes: number, { maxEvents, maxBytes = Infinity }: ReadLimit): boolean {
  return count > 0 && (count >= maxEvents || bytes >= maxBytes);
}

function seqOf(run: Run): number {
  return run.ring.at(run.index).seq;
}

/** Restores the heap after its root has changed. */
function sink(heap: Run[]): void {
  const run = heap[0];
  if (run === undefined) return;
  const seq = seqOf(run);
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    const left = heap[child];
    if (left === undefined) break;
    const right = heap[child + 1];
    if (right !== undefined && seqOf(right) < seqOf(left)) child++;
    const least = heap[child] as Run;
    if (seq <= seqOf(least)) break;
    heap[at] = least;
    at = child;
  }
  heap[at] = run;
}
