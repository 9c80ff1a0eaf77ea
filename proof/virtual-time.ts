import { setImmediate as settled } from 'node:timers/promises';
import type { Clock, Timer, Turns } from '@millrace/server';

interface Task {
  readonly dueMs: number;
  /** Among tasks due at the same time, the first that was asked for comes first. */
  readonly order: number;
  run: (() => void) | undefined;
}

/**
 * The one scheduler of a simulation: every timer, turn and delivery of the network is a task of it, and tasks run one
 * by one, each with all the promises that follow from it. Nothing else moves, so a run depends on its seed alone.
 */
export class VirtualTime implements Clock, Turns {
  /** Grows with each task: an order of everything that happened. */
  tick = 0;
  readonly #wallStartMs: number;
  /** How late a turn of the event loop comes, in ms; turns keep their order. */
  readonly #turnDelayMs: () => number;
  #nowMs = 0;
  #order = 0;
  #lastTurnMs = 0;
  readonly #heap: Task[] = [];

  constructor(options: { wallStartMs?: number; turnDelayMs?: () => number } = {}) {
    this.#wallStartMs = options.wallStartMs ?? Date.UTC(2026, 0, 1);
    this.#turnDelayMs = options.turnDelayMs ?? (() => 0);
  }

  now(): number {
    return Math.floor(this.#wallStartMs + this.#nowMs);
  }

  monotonic(): number {
    return this.#nowMs;
  }

  after(delayMs: number, task: () => void): Timer {
    const entry: Task = { dueMs: this.#nowMs + Math.max(0, delayMs), order: ++this.#order, run: task };
    this.#push(entry);
    return {
      cancel: () => {
        entry.run = undefined;
      },
    };
  }

  soon(task: () => void): void {
    this.#lastTurnMs = Math.max(this.#lastTurnMs, this.#nowMs + this.#turnDelayMs());
    this.#push({ dueMs: this.#lastTurnMs, order: ++this.#order, run: task });
  }

  /** Lets time pass, and everything that is due happen, task by task. */
  async pass(durationMs: number): Promise<void> {
    const endMs = this.#nowMs + durationMs;
    await settled();
    for (let task = this.#heap[0]; task !== undefined && task.dueMs <= endMs; task = this.#heap[0]) {
      this.#pop();
      if (task.run === undefined) continue;
      this.#nowMs = Math.max(this.#nowMs, task.dueMs);
      this.tick++;
      task.run();
      await settled();
    }
    this.#nowMs = endMs;
  }

  #push(task: Task): void {
    const heap = this.#heap;
    let at = heap.push(task) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(task, heap[parent] as Task)) break;
      heap[at] = heap[parent] as Task;
      at = parent;
    }
    heap[at] = task;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Task, heap[child] as Task)) child++;
      if (!isBefore(heap[child] as Task, last)) break;
      heap[at] = heap[child] as Task;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Task, b: Task): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}
