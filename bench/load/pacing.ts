import { type BenchEvent, createEventData, createLargeData } from './event.ts';
import type { Workload } from './workload.ts';

/** Publishes at a fixed rate, whatever the server does: what is late is sent at once, nothing is left out. */
export class Pacing {
  /** Events sent so far, by topic. */
  readonly published: number[];
  readonly #workload: Workload;
  readonly #publish: (events: readonly BenchEvent[]) => void;
  readonly #everyMs: number;
  #total = 0;
  #dueMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(workload: Workload, publish: (events: readonly BenchEvent[]) => void) {
    this.published = workload.topics.map(() => 0);
    this.#workload = workload;
    this.#publish = publish;
    this.#everyMs = (workload.eventsPerBatch / workload.eventsPerSecond) * 1000;
    this.#dueMs = performance.now();
    this.#timer = setTimeout(this.#turn, 0);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  readonly #turn = (): void => {
    const now = performance.now();
    for (; this.#dueMs <= now; this.#dueMs += this.#everyMs) this.#publish(this.#nextBatch());
    // Timers count whole milliseconds: a rate beyond 1,000 batches a second sends a few at a time.
    this.#timer = setTimeout(this.#turn, Math.max(0, this.#dueMs - performance.now()));
  };

  #nextBatch(): BenchEvent[] {
    const { topics, eventsPerBatch } = this.#workload;
    return Array.from({ length: eventsPerBatch }, () => {
      const topicIndex = this.#total++ % topics.length;
      this.published[topicIndex] = (this.published[topicIndex] ?? 0) + 1;
      return {
        topicIndex,
        topic: topics[topicIndex] as string,
        data:
          this.#workload.dataBytes === undefined
            ? createEventData()
            : createLargeData(this.#workload.dataBytes),
      };
    });
  }
}
