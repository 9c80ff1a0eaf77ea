import { type EventInput, encodeSegment } from '@millrace/protocol';
import type { Clock, Timer } from '../clock.ts';
import {
  type EventLoopDelay,
  type HostSample,
  type MachineFigures,
  measureHost,
  type ProcessFigures,
  round,
} from './host-figures.ts';
import type { HostProbe } from './host-probe.ts';

/** The data of `host.metrics`. Sizes in bytes, percentages 0–100 (of all cores, for the host; of one, for the process). */
export interface HostMetrics extends MachineFigures {
  /** How late timers fired since the last event. */
  readonly event_loop_delay_ms: EventLoopDelay;
  readonly process: ProcessFigures;
  readonly connections: number;
  readonly subscriptions: number;
  readonly deliveries_per_second: number;
  readonly publishes_per_second: number;
}

/** The server's own figures; the counts only grow. */
export interface ServerStats {
  readonly connections: number;
  readonly subscriptions: number;
  readonly deliveries: number;
  readonly publishes: number;
}

export interface HostMetricsOptions {
  readonly clock: Clock;
  readonly intervalMs: number;
  /** The host's name; its topic is `host.<name, encoded>`. */
  readonly name: string;
  readonly probe: HostProbe;
  readonly stats: () => ServerStats;
  readonly publish: (event: EventInput<HostMetrics>) => Promise<unknown>;
  /** The first failure of a row; publishing goes on, and a success ends the row. */
  readonly onError: (error: unknown) => void;
}

interface Sample extends HostSample {
  readonly stats: ServerStats;
}

/** What happened between two samples. */
function metricsOf(before: Sample, after: Sample): HostMetrics {
  const { stats } = after;
  const { machine, ...own } = measureHost(before, after);
  const elapsedMs = Math.max(1, after.at - before.at);
  const perSecond = (now: number, then: number): number => round(((now - then) * 1000) / elapsedMs);
  return {
    ...machine,
    ...own,
    connections: stats.connections,
    subscriptions: stats.subscriptions,
    deliveries_per_second: perSecond(stats.deliveries, before.stats.deliveries),
    publishes_per_second: perSecond(stats.publishes, before.stats.publishes),
  };
}

/** Publishes the host's and the server's figures at a steady pace, from one interval after it was created. */
export class HostMetricsService {
  readonly #options: HostMetricsOptions;
  readonly #topic: string;
  #last: Sample;
  #due: number;
  #timer: Timer | undefined;
  #publishing = false;
  #failing = false;

  constructor(options: HostMetricsOptions) {
    this.#options = options;
    this.#topic = `host.${encodeSegment(options.name)}`;
    this.#last = this.#sample();
    this.#due = this.#last.at;
    this.#schedule();
  }

  /** No event is published after this returns. Idempotent. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#options.probe.close();
  }

  #sample(): Sample {
    const { clock, probe, stats } = this.#options;
    return { at: clock.monotonic(), reading: probe.read(), stats: stats() };
  }

  /** Keeps to the beat, so that a second has one event; beats that were missed are left out. */
  #schedule(): void {
    const { clock, intervalMs } = this.#options;
    const now = clock.monotonic();
    this.#due += intervalMs;
    if (this.#due <= now) this.#due = now + intervalMs;
    this.#timer = clock.after(this.#due - now, () => this.#tick());
  }

  #tick(): void {
    this.#schedule();
    // A log that is slower than the beat gets fewer events, not a growing pile of them.
    if (this.#publishing) return;
    const sample = this.#sample();
    const data = metricsOf(this.#last, sample);
    this.#last = sample;
    void this.#publish(data);
  }

  async #publish(data: HostMetrics): Promise<void> {
    this.#publishing = true;
    try {
      await this.#options.publish({ topic: this.#topic, event: 'host.metrics', data });
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#options.onError(error);
      this.#failing = true;
    } finally {
      this.#publishing = false;
    }
  }
}
