/** Hands out one topic's seqs in rising order, some at a time; an empty answer is the end. */
export type SeqSource = (count: number) => readonly number[];

interface Run {
  /** The next seq to hand out. */
  head: number;
  pull: SeqSource;
  buffer: readonly number[];
  next: number;
  chunk: number;
}

const FIRST_CHUNK = 8;
const LARGEST_CHUNK = 1024;

/**
 * The lowest `count` seqs of many topics, in order. Each topic says its first seq for free; more is asked of it only
 * when the merge gets there, so topics that lie behind the page cost nothing but their place in the heap.
 */
export function mergeSeqs(topics: Iterable<{ first: number; rest: SeqSource }>, count: number): number[] {
  const heap: Run[] = [];
  for (const { first, rest } of topics) {
    heap.push({ head: first, pull: rest, buffer: [], next: 0, chunk: FIRST_CHUNK });
  }
  // A sorted array is a heap.
  heap.sort((a, b) => a.head - b.head);
  const merged: number[] = [];
  while (merged.length < count) {
    const run = heap[0];
    if (run === undefined) break;
    merged.push(run.head);
    if (advance(run)) {
      sink(heap);
    } else {
      const last = heap.pop() as Run;
      if (heap.length > 0) {
        heap[0] = last;
        sink(heap);
      }
    }
  }
  return merged;
}

function advance(run: Run): boolean {
  if (run.next === run.buffer.length) {
    run.buffer = run.pull(run.chunk);
    run.next = 0;
    run.chunk = Math.min(LARGEST_CHUNK, run.chunk * 2);
  }
  const head = run.buffer[run.next++];
  if (head === undefined) return false;
  run.head = head;
  return true;
}

/** Restores the heap after its root has grown. */
function sink(heap: Run[]): void {
  const run = heap[0] as Run;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    const left = heap[child];
    if (left === undefined) break;
    const right = heap[child + 1];
    const least = right !== undefined && right.head < left.head ? right : left;
    if (least === right) child++;
    if (run.head <= least.head) break;
    heap[at] = least;
    at = child;
  }
  heap[at] = run;
}
