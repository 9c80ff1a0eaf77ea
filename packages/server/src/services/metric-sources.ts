import type { EventInput } from '@millrace/protocol';
import type { Clock, Timer } from '../clock.ts';
import { type MetricSource, type MetricsUpdate, SourceError } from './metric-source.ts';

/** Measurements that the uptime looks back at. */
const UPTIME_SAMPLES = 100;

export interface MetricSourcesOptions {
  readonly sources: readonly MetricSource[];
  readonly clock: Clock;
  readonly publish: (entity: string, event: EventInput<MetricsUpdate>) => Promise<unknown>;
  /** The first failure of a row; a success ends the row. */
  readonly onError: (error: unknown, doing: string) => void;
}

/** Measures each source at its pace, and publishes what it found, also that it found nothing. */
export class MetricSources {
  /** Measurements by how they ended. */
  readonly counters: { ok: number; failed: number } = { ok: 0, failed: 0 };
  readonly #loops: readonly SourceLoop[];

  constructor(options: MetricSourcesOptions) {
    this.#loops = options.sources.map((source) => new SourceLoop(source, options, this.counters));
  }

  /** Sources that could not be reached when they were measured last. */
  get unreachable(): number {
    return this.#loops.filter((loop) => loop.failing).length;
  }

  /** Nothing is published after this returns. Idempotent. */
  close(): void {
    for (const loop of this.#loops) loop.close();
  }
}

class SourceLoop {
  failing = false;
  readonly #source: MetricSource;
  readonly #options: MetricSourcesOptions;
  readonly #counters: MetricSources['counters'];
  readonly #closing = new AbortController();
  /** Whether each of the last measurements succeeded. */
  readonly #successes: boolean[] = [];
  #due: number;
  #timer: Timer | undefined;
  #measuring = false;

  constructor(source: MetricSource, options: MetricSourcesOptions, counters: MetricSources['counters']) {
    this.#source = source;
    this.#options = options;
    this.#counters = counters;
    this.#due = options.clock.monotonic();
    this.#schedule();
  }

  close(): void {
    this.#closing.abort();
    this.#timer?.cancel();
  }

  /** Keeps to the beat; beats that were missed are left out. */
  #schedule(): void {
    const { clock } = this.#options;
    const { intervalMs } = this.#source;
    const now = clock.monotonic();
    this.#due += intervalMs;
    if (this.#due <= now) this.#due = now + intervalMs;
    this.#timer = clock.after(this.#due - now, () => {
      this.#schedule();
      // A source, or a log, that is slower than the beat is asked less often.
      if (!this.#measuring) void this.#run();
    });
  }

  async #run(): Promise<void> {
    const { topic, entity, id } = this.#source;
    this.#measuring = true;
    try {
      const data = await this.#measure();
      if (this.#closing.signal.aborted) return;
      await this.#options.publish(entity, {
        topic,
        event: 'metrics_update',
        data,
        source: 'millrace',
        key: id,
      });
      if (data.status === 'ok') this.failing = false;
    } catch (error) {
      this.#report(error, `publishing the figures of ${id}`);
    } finally {
      this.#measuring = false;
    }
  }

  async #measure(): Promise<MetricsUpdate> {
    const { id } = this.#source;
    try {
      const metrics = await this.#source.measure(this.#closing.signal);
      this.#note(true);
      return { source_id: id, metrics, status: 'ok', uptime_percent: this.#uptime() };
    } catch (error) {
      this.#note(false);
      this.#report(error, `measuring ${id}`);
      return {
        source_id: id,
        metrics: {},
        status: 'unreachable',
        uptime_percent: this.#uptime(),
        error: error instanceof SourceError ? error.message : 'the server failed; its log has the cause',
      };
    }
  }

  #note(succeeded: boolean): void {
    this.#counters[succeeded ? 'ok' : 'failed']++;
    this.#successes.push(succeeded);
    if (this.#successes.length > UPTIME_SAMPLES) this.#successes.shift();
  }

  #uptime(): number {
    const { length } = this.#successes;
    return Math.round((10_000 * this.#successes.filter(Boolean).length) / length) / 100;
  }

  #report(error: unknown, doing: string): void {
    if (!this.failing && !this.#closing.signal.aborted) this.#options.onError(error, doing);
    this.failing = true;
  }
}
