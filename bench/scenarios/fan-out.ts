import { type Environment, pause, scaled } from '../environment.ts';
import { Pacing } from '../load/pacing.ts';
import { type Marked, Subscribers } from '../load/subscribers.ts';
import type { Workload } from '../load/workload.ts';
import type { Peer } from '../peers/peer.ts';
import type { Metric, Outcome, Side } from '../scenario.ts';

export const FAN_OUT_METRICS: readonly Metric[] = [
  { key: 'usPerDelivery', title: 'µs CPU/delivery', digits: 3 },
  { key: 'cpu', title: 'CPU %', digits: 0 },
  { key: 'deliveries', title: 'deliveries/s', digits: 0 },
  { key: 'offered', title: '% of offered', digits: 0 },
  { key: 'p50', title: 'p50 ms', digits: 2 },
  { key: 'p99', title: 'p99 ms', digits: 2 },
  { key: 'perRead', title: 'events/read', digits: 1 },
  { key: 'dropped', title: 'dropped %', digits: 1 },
  { key: 'bytes', title: 'bytes/event', digits: 0 },
  { key: 'rss', title: 'RSS MB', digits: 0 },
];

/** How long a server may take to deliver what was published, after the last publication, in ms. */
const CATCH_UP_MS = 60_000;

/** One server under one workload. */
export function fanOutSide(peer: Peer, workload: Workload, name: string = peer.name): Side {
  return {
    name,
    async missing(environment) {
      if (workload.tls && environment.certificate === undefined) return 'there is no openssl command';
      if (workload.tls && environment.tools?.tls === false) return 'the OpenSSL headers are not installed';
      if (workload.deflate && environment.tools === undefined)
        return 'only the C subscribers take compressed frames';
      return peer.missing(environment);
    },
    measure: (environment) =>
      measureFanOut(
        peer,
        { ...workload, subscribers: scaled(workload.subscribers, environment) },
        environment,
      ),
  };
}

export async function measureFanOut(
  peer: Peer,
  workload: Workload,
  environment: Environment,
): Promise<Outcome> {
  const running = await peer.start(workload, environment);
  let subscribers: Subscribers | undefined;
  try {
    const topics = workload.topics.length;
    subscribers = await Subscribers.open(running, { subscribers: workload.subscribers, topics }, environment);
    const publisher = await running.connectPublisher?.();
    const pacing = publisher && new Pacing(workload, (events) => publisher.publish(events));
    await pause(environment.warmUpMs);
    const warmUp = await subscribers.mark();
    await pause(environment.measureMs);
    const measured = await subscribers.mark();
    pacing?.stop();
    const problems = pacing === undefined ? [] : await findMissing(subscribers, pacing.published);
    const rest = await subscribers.mark();
    if (publisher !== undefined && publisher.failed > 0)
      problems.push(`${publisher.failed} publications failed`);
    publisher?.close();
    const marks = [warmUp, measured, rest];
    return {
      figures: figuresOf(measured, marks, workload),
      problems: [...problems, ...findProblems(marks)],
    };
  } finally {
    await subscribers?.close();
    await running.close();
  }
}

function figuresOf(
  measured: Marked,
  marks: readonly Marked[],
  workload: Workload,
): Readonly<Record<string, number>> {
  const { seconds, deliveries, cpuUs, bytes, reads } = measured;
  const total = sum(marks, 'deliveries');
  const dropped = sum(marks, 'dropped');
  return {
    usPerDelivery: cpuUs / deliveries,
    cpu: cpuUs / 1e4 / seconds,
    deliveries: deliveries / seconds,
    offered: (100 * deliveries) / seconds / (workload.eventsPerSecond * workload.subscribers),
    p50: measured.p50Us / 1000,
    p99: measured.p99Us / 1000,
    perRead: deliveries / reads,
    dropped: (100 * dropped) / (total + dropped),
    bytes: bytes / deliveries,
    rss: measured.rssKb / 1024,
  };
}

/** What must not have happened at any time. */
export function findProblems(marks: readonly Marked[]): string[] {
  const problems = {
    gaps: 'gaps that nobody announced',
    repeats: 'repeated or reordered events',
    errors: 'error messages',
    closed: 'connections ended by the server',
  } as const;
  return Object.entries(problems).flatMap(([key, text]) => {
    // `entries` loses the literal keys.
    const count = sum(marks, key as keyof typeof problems);
    return count === 0 ? [] : [`${count} ${text}`];
  });
}

/** Waits until everyone has the last event of each topic. */
export async function findMissing(subscribers: Subscribers, published: readonly number[]): Promise<string[]> {
  const deadline = performance.now() + CATCH_UP_MS;
  for (;;) {
    const heads = await subscribers.heads();
    const behind = published.findIndex((count, topic) => heads[topic]?.[0] !== count);
    if (behind === -1) return [];
    if (performance.now() > deadline) {
      const [low, high] = heads[behind] ?? [];
      return [`subscribers stand at ${low} to ${high} of ${published[behind]} events of topic ${behind}`];
    }
    await pause(50);
  }
}

function sum(marks: readonly Marked[], key: keyof Marked): number {
  return marks.reduce((total, mark) => total + mark[key], 0);
}
