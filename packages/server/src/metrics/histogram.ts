import type { Clock } from '../clock.ts';

/** What a histogram has seen up to now. */
export interface HistogramReading {
  /** Upper bounds of the buckets, each included, in ascending order. */
  readonly bounds: readonly number[];
  /** By bucket, not summed up; the last, beyond the bounds, has everything greater. */
  readonly counts: readonly number[];
  readonly count: number;
  readonly sum: number;
  /** 0 when nothing was observed. */
  readonly max: number;
}

/** Counts observations by size. An observation costs an addition or two and allocates nothing. */
export class Histogram {
  readonly bounds: readonly number[];
  // Doubles: integers would wrap at 2^32.
  readonly #counts: Float64Array;
  #count = 0;
  #sum = 0;
  #max = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.bounds.length && value > (this.bounds[bucket] as number)) bucket++;
    (this.#counts[bucket] as number)++;
    this.#count++;
    this.#sum += value;
    if (value > this.#max) this.#max = value;
  }

  read(): HistogramReading {
    const { bounds } = this;
    return { bounds, counts: [...this.#counts], count: this.#count, sum: this.#sum, max: this.#max };
  }

  /** Adds what another one with the same bounds has seen. */
  merge({ counts, count, sum, max }: Omit<HistogramReading, 'bounds'>): void {
    for (const [bucket, within] of counts.entries()) (this.#counts[bucket] as number) += within;
    this.#count += count;
    this.#sum += sum;
    this.#max = Math.max(this.#max, max);
  }

  clear(): void {
    this.#counts.fill(0);
    this.#count = 0;
    this.#sum = 0;
    this.#max = 0;
  }
}

/**
 * The value below which a share (0–1) of the observations lie: exact in which bucket, a straight line within it. 0 when
 * nothing was observed.
 */
export function quantileOf({ bounds, counts, count, max }: HistogramReading, share: number): number {
  const rank = share * count;
  let below = 0;
  for (let bucket = 0; bucket < counts.length; bucket++) {
    const within = counts[bucket] as number;
    if (within === 0 || below + within < rank) {
      below += within;
      continue;
    }
    const from = bucket === 0 ? 0 : (bounds[bucket - 1] as number);
    const to = Math.min(bounds[bucket] ?? max, max);
    return from + (to - from) * ((rank - below) / within);
  }
  return max;
}

/** How long {@link RecentHistogram} gathers before it forgets what it had before that, in ms. */
const SPAN_MS = 60_000;

/** A histogram since the start, and beside it one of the last one to two minutes, of which percentiles say something. */
export class RecentHistogram {
  readonly total: Histogram;
  readonly #clock: Clock;
  #current: Histogram;
  #previous: Histogram;
  #sinceMs: number;

  constructor(bounds: readonly number[], clock: Clock) {
    this.#clock = clock;
    this.total = new Histogram(bounds);
    this.#current = new Histogram(bounds);
    this.#previous = new Histogram(bounds);
    this.#sinceMs = clock.monotonic();
  }

  observe(value: number): void {
    this.#turn();
    this.total.observe(value);
    this.#current.observe(value);
  }

  readRecent(): HistogramReading {
    this.#turn();
    const older = this.#previous.read();
    const newer = this.#current.read();
    return {
      bounds: newer.bounds,
      counts: newer.counts.map((count, bucket) => count + (older.counts[bucket] as number)),
      count: newer.count + older.count,
      sum: newer.sum + older.sum,
      max: Math.max(newer.max, older.max),
    };
  }

  #turn(): void {
    const now = this.#clock.monotonic();
    const age = now - this.#sinceMs;
    if (age < SPAN_MS) return;
    const emptied = this.#previous;
    emptied.clear();
    this.#previous = this.#current;
    this.#current = emptied;
    // Nobody has looked for so long that both are old.
    if (age >= 2 * SPAN_MS) this.#previous.clear();
    this.#sinceMs = now;
  }
}
