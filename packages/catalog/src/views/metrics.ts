import type { MillraceEvent } from '@millrace/protocol';
import type { View } from '../view.ts';

/** The figures of one source (a portal, a host, a target) over the last while, a point for each second in which there were any. */
export interface MetricsWindow {
  /** Of each point, in ms since the Unix epoch, oldest first. */
  readonly times: readonly number[];
  /** By name, a value for each point, rounded to six digits; `null` where it was not measured. */
  readonly figures: Readonly<Record<string, readonly (number | null)[]>>;
}

/** What one source said last, and how its figures went. */
export interface MetricsSource {
  /** Its `portal_id` or `source_id`; of other events their key, or their name. */
  readonly source: string;
  readonly event: string;
  /** Of the newest event. ISO 8601. */
  readonly timestamp: string;
  /** Of the newest event, as it was published. */
  readonly data: unknown;
  readonly window: MetricsWindow;
}

export interface Metrics {
  /** In the order in which they were first heard of. */
  readonly sources: readonly MetricsSource[];
}

/** Bounds which together keep the state below a megabyte. */
const MAX_SOURCES = 128;
const MAX_POINTS = 60;
const MAX_FIGURES = 12;
const POINT_MS = 1000;
/** Significant ones; charts need no more. */
const DIGITS = 6;

/** The newest of each source and its last minute, for gauges and small charts that are there at once. */
export const metricsView: View<Metrics> = {
  name: 'metrics',
  version: 1,
  // Of fifty sources the log keeps seconds.
  holdsLog: true,
  initial: () => ({ sources: [] }),
  fold: (state, event) => {
    // The state is ours.
    measure(state.sources as MetricsSource[], event);
    return state;
  },
};

function measure(sources: MetricsSource[], measured: MillraceEvent): void {
  const { event, timestamp, data } = measured;
  const source = sourceOf(measured);
  const index = sources.findIndex((other) => other.source === source);
  const window = extended(sources[index]?.window ?? NO_POINTS, Date.parse(timestamp), figuresOf(data));
  const newest: MetricsSource = { source, event, timestamp, data, window };
  if (index !== -1) sources[index] = newest;
  else {
    if (sources.length >= MAX_SOURCES) sources.splice(quietest(sources), 1);
    sources.push(newest);
  }
}

const NO_POINTS: MetricsWindow = { times: [], figures: {} };

/** The window with one more point; what is measured again within a second takes the place of what was. */
function extended(
  { times, figures }: MetricsWindow,
  timeMs: number,
  measured: ReadonlyMap<string, number>,
): MetricsWindow {
  if (measured.size === 0) return { times, figures };
  const again = times.length > 0 && secondOf(times.at(-1) ?? 0) === secondOf(timeMs);
  const to = again ? times.length - 1 : times.length;
  const from = Math.max(0, to - (MAX_POINTS - 1));
  const names = new Set([...Object.keys(figures), ...measured.keys()]);
  const extendedFigures = [...names].flatMap((name) => {
    const before = (Object.hasOwn(figures, name) && figures[name]) || times.map(() => null);
    const value = measured.get(name) ?? (again ? before.at(-1) : null) ?? null;
    const points = [...before.slice(from, to), value];
    return points.every((point) => point === null) ? [] : [[name, points] as const];
  });
  return {
    times: [...times.slice(from, to), timeMs],
    figures: Object.fromEntries(extendedFigures.slice(0, MAX_FIGURES)),
  };
}

function secondOf(timeMs: number): number {
  return Math.floor(timeMs / POINT_MS);
}

function quietest(sources: readonly MetricsSource[]): number {
  let quietest = 0;
  for (const [i, { timestamp }] of sources.entries()) {
    if (timestamp < (sources[quietest]?.timestamp ?? '')) quietest = i;
  }
  return quietest;
}

function sourceOf({ event, key, data }: MillraceEvent): string {
  const { portal_id, source_id } = fieldsOf(data);
  for (const id of [portal_id, source_id, key]) if (typeof id === 'string' && id !== '') return id;
  return event;
}

/** The numbers in `metrics`. */
function figuresOf(data: unknown): ReadonlyMap<string, number> {
  const figures = Object.entries(fieldsOf(fieldsOf(data).metrics));
  const measured = figures.flatMap(([name, value]) =>
    typeof value === 'number' ? [[name, Number(value.toPrecision(DIGITS))] as const] : [],
  );
  return new Map(measured);
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
