import type { Clock } from '../clock.ts';
import { type MetricSource, SourceError } from './metric-source.ts';
import { PrometheusTextError, readPrometheusText } from './prometheus-text.ts';

export interface PrometheusSourceOptions {
  readonly id: string;
  readonly entity: string;
  readonly topic: string;
  readonly intervalMs: number;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** From the request to the last byte of the answer. */
  readonly timeoutMs: number;
  /** Of the answer, decompressed. */
  readonly maxBytes: number;
  /** Names, or what names begin with and a `*`; missing: all of them. */
  readonly pick: readonly string[] | undefined;
  /** The labels that tell figures apart; what differs in others alone is added up. Missing: all of them. */
  readonly labels: readonly string[] | undefined;
  readonly clock: Clock;
}

/** More are no state of a source, but a database. */
const MAX_FIGURES = 1000;

/** A target that Prometheus could scrape. */
export function prometheusSource(options: PrometheusSourceOptions): MetricSource {
  const { id, entity, topic, intervalMs } = options;
  return {
    id,
    entity,
    topic,
    intervalMs,
    measure: async (signal) => figuresOf(await scrape(options, signal), options),
  };
}

async function scrape(options: PrometheusSourceOptions, signal: AbortSignal): Promise<string> {
  const { url, headers, timeoutMs, maxBytes, clock } = options;
  const late = new AbortController();
  const timer = clock.after(timeoutMs, () => late.abort());
  try {
    const response = await fetch(url, {
      headers: { accept: 'text/plain;version=0.0.4', ...headers },
      // The headers are for this address, not for another that it points to.
      redirect: 'error',
      signal: AbortSignal.any([signal, late.signal]),
    });
    if (response.status === 200) return await readText(response, maxBytes);
    await response.body?.cancel();
    throw new SourceError(`it answered with HTTP ${response.status}`);
  } catch (error) {
    if (error instanceof SourceError) throw error;
    if (late.signal.aborted) throw new SourceError(`no answer within ${timeoutMs} ms`);
    throw new SourceError(`no answer (${reasonOf(error)})`);
  } finally {
    timer.cancel();
  }
}

async function readText(response: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw new SourceError(`the answer is over ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** `fetch` says little itself: what kept it is the cause. */
function reasonOf(error: unknown): string {
  const { cause, name } = error as Error & {
    readonly cause?: { readonly code?: string; readonly message?: string };
  };
  return cause?.code ?? cause?.message ?? name;
}

/** The figures of a text by name, `requests_total{code="200"}`; what is not a finite number is left out. */
export function figuresOf(
  text: string,
  { pick, labels }: Pick<PrometheusSourceOptions, 'pick' | 'labels'>,
): Record<string, number> {
  const figures = new Map<string, number>();
  try {
    for (const sample of readPrometheusText(text)) {
      if (!Number.isFinite(sample.value) || !isPicked(sample.name, pick)) continue;
      const name = figureName(sample.name, sample.labels, labels);
      figures.set(name, (figures.get(name) ?? 0) + sample.value);
    }
  } catch (error) {
    if (error instanceof PrometheusTextError)
      throw new SourceError(`the answer cannot be read: ${error.message}`);
    throw error;
  }
  if (figures.size > MAX_FIGURES) {
    throw new SourceError(
      `there are ${figures.size} figures, over ${MAX_FIGURES}: pick fewer, or fewer labels`,
    );
  }
  return Object.fromEntries(figures);
}

function isPicked(name: string, pick: readonly string[] | undefined): boolean {
  // A name that JSON's readers trip over.
  if (name === '__proto__') return false;
  if (pick === undefined) return true;
  return pick.some((each) => (each.endsWith('*') ? name.startsWith(each.slice(0, -1)) : name === each));
}

function figureName(
  name: string,
  labels: readonly (readonly [string, string])[],
  kept: readonly string[] | undefined,
): string {
  const telling = kept === undefined ? labels : labels.filter(([label]) => kept.includes(label));
  if (telling.length === 0) return name;
  const pairs = telling.map(([label, value]) => `${label}=${JSON.stringify(value)}`).sort();
  return `${name}{${pairs.join(',')}}`;
}
