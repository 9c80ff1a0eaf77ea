/** Something that is measured again and again. */
export interface MetricSource {
  /** `source_id` in what is published. */
  readonly id: string;
  readonly entity: string;
  readonly topic: string;
  readonly intervalMs: number;
  /**
   * Its figures now; finite numbers. Rejects, with a message that says what is wrong with the source, when they cannot be had; is given
   * up when `signal` says so.
   */
  measure(signal: AbortSignal): Promise<Readonly<Record<string, number>>>;
}

/** What cannot be had, for a reason that lies with the source. */
export class SourceError extends Error {
  override readonly name: string = 'SourceError';
}

/** The data of `metrics_update`. */
export interface MetricsUpdate {
  readonly source_id: string;
  /** Empty when it cannot be reached. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly status: 'ok' | 'unreachable';
  /** The share of the last measurements, 100 at most, that succeeded. */
  readonly uptime_percent: number;
  /** Why it cannot be reached. */
  readonly error?: string;
}
