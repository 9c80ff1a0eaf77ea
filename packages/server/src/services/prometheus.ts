import { Counter, Gauge, Histogram as PromHistogram, Registry } from 'prom-client';
import type { Histogram } from '../metrics/histogram.ts';

/** The figure, or one for each value of the label. */
export type Reading = number | readonly (readonly [labelValue: string, value: number])[];

/** A metric that is read when somebody scrapes: whatever it counts is counted elsewhere, as plain numbers. */
export interface CountedMetric {
  readonly type: 'counter' | 'gauge';
  readonly name: string;
  readonly help: string;
  /** The label that tells its figures apart, where there are several. Its values are bounded in number. */
  readonly label?: string;
  /** `undefined` when there is no saying; then the metric has no sample. */
  readonly read: () => Reading | undefined | Promise<Reading | undefined>;
}

export interface ObservedMetric {
  readonly type: 'histogram';
  readonly name: string;
  readonly help: string;
  readonly histogram: Histogram;
  /** What a unit of the histogram is in units of the metric; 1 when missing. */
  readonly scale?: number;
}

export type Metric = CountedMetric | ObservedMetric;

export function counter(
  name: string,
  help: string,
  read: CountedMetric['read'],
  label?: string,
): CountedMetric {
  return { type: 'counter', name, help, read, ...(label !== undefined && { label }) };
}

export function gauge(
  name: string,
  help: string,
  read: CountedMetric['read'],
  label?: string,
): CountedMetric {
  return { ...counter(name, help, read, label), type: 'gauge' };
}

/** Gives metrics as Prometheus reads them. */
export class Exposition {
  readonly contentType: string;
  readonly isPublic: boolean;
  readonly #registry: Registry;

  constructor(metrics: readonly Metric[], { isPublic }: { isPublic: boolean }) {
    this.isPublic = isPublic;
    this.#registry = new Registry();
    this.contentType = this.#registry.contentType;
    this.add(metrics);
  }

  /** Shows more of them. Throws when there is one of that name. */
  add(metrics: readonly Metric[]): void {
    for (const metric of metrics) {
      if (metric.type === 'histogram') this.#registry.registerMetric(new CollectedHistogram(metric));
      else register(metric, this.#registry);
    }
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
}

function register({ type, name, help, label, read }: CountedMetric, registry: Registry): void {
  const options = {
    name,
    help,
    labelNames: label === undefined ? [] : [label],
    registers: [registry],
  };
  const add = async (metric: Counter | Gauge): Promise<void> => {
    const reading = await read();
    metric.reset();
    if (reading === undefined) metric.remove();
    else if (typeof reading === 'number') metric.inc({}, reading);
    else for (const [value, figure] of reading) metric.inc({ [label ?? '']: value }, figure);
  };
  if (type === 'counter')
    new Counter({
      ...options,
      collect() {
        return add(this);
      },
    });
  else
    new Gauge({
      ...options,
      collect() {
        return add(this);
      },
    });
}

/** A histogram whose buckets are kept elsewhere. */
class CollectedHistogram extends PromHistogram<'le'> {
  readonly #metric: ObservedMetric;
  /** Never observed: it knows what is not of this histogram alone. */
  readonly #empty: PromHistogram<'le'>;

  constructor(metric: ObservedMetric) {
    super({ name: metric.name, help: metric.help, registers: [] });
    this.#metric = metric;
    this.#empty = new PromHistogram({ name: metric.name, help: metric.help, registers: [] });
  }

  override async get(): ReturnType<PromHistogram<'le'>['get']> {
    const { name, histogram, scale = 1 } = this.#metric;
    const { bounds, counts, count, sum } = histogram.read();
    let below = 0;
    const buckets = bounds.map((bound, bucket) => {
      below += counts[bucket] ?? 0;
      return { metricName: `${name}_bucket`, labels: { le: scaled(bound, scale) }, value: below };
    });
    return {
      ...(await this.#empty.get()),
      values: [
        ...buckets,
        { metricName: `${name}_bucket`, labels: { le: '+Inf' }, value: count },
        { metricName: `${name}_sum`, labels: {}, value: scaled(sum, scale) },
        { metricName: `${name}_count`, labels: {}, value: count },
      ],
    };
  }

  /** What the registry asks for when it makes text; not in the published types. */
  getForPromString(): ReturnType<PromHistogram<'le'>['get']> {
    return this.get();
  }
}

/** 2.5 ms are 0.0025 s, not 0.0025000000000000001. */
function scaled(value: number, scale: number): number {
  return scale === 1 ? value : Number((value * scale).toPrecision(12));
}
