/** How long the past counts, at least. */
const MIN_MEMORY_MS = 5000;
/** Of how long it has lasted: a build of a minute and a migration of a day both forget at their own pace. */
const MEMORY_SHARE = 1 / 3;
/** Less than that tells nothing of what is to come. */
const MIN_EVIDENCE_MS = 500;

/**
 * How fast work is being done, newest first: the work done over the time it took, both forgotten exponentially. A burst adds
 * work and no time, so what counts is how often bursts come, not how fast they are; a pause adds time and no work.
 */
export class SmoothedRate {
  readonly #startMs: number;
  #atMs: number;
  #done: number;
  /** Both weigh less the older they are. */
  #work = 0;
  #timeMs = 0;

  constructor(nowMs: number, done = 0) {
    this.#startMs = nowMs;
    this.#atMs = nowMs;
    this.#done = done;
  }

  /** `done` in all, in whatever unit. Less than before means that it begins again from there. */
  observe(done: number, nowMs: number): void {
    if (done < this.#done) {
      this.#work = 0;
      this.#timeMs = 0;
    } else {
      const { kept, weight } = this.#weigh(nowMs);
      this.#work = this.#work * kept + (done - this.#done) * weight;
      this.#timeMs = this.#timeMs * kept + (nowMs - this.#atMs) * weight;
    }
    this.#done = done;
    this.#atMs = nowMs;
  }

  /** How long `left` more will take, `undefined` while nobody can know. */
  remainingMs(left: number, nowMs: number): number | undefined {
    const { kept, weight } = this.#weigh(nowMs);
    const work = this.#work * kept;
    const timeMs = this.#timeMs * kept + (nowMs - this.#atMs) * weight;
    if (left <= 0) return 0;
    return work <= 0 || timeMs < MIN_EVIDENCE_MS ? undefined : (left * timeMs) / work;
  }

  /** How much is kept of the past after the time since the last observation, and how much of that time counts. */
  #weigh(nowMs: number): { readonly kept: number; readonly weight: number } {
    const passedMs = nowMs - this.#atMs;
    const memoryMs = Math.max(MIN_MEMORY_MS, (nowMs - this.#startMs) * MEMORY_SHARE);
    const kept = Math.exp(-passedMs / memoryMs);
    return { kept, weight: passedMs > 0 ? (memoryMs * (1 - kept)) / passedMs : 1 };
  }
}
