import { type Environment, pause, scaled } from '../environment.ts';
import { PIPELINE, PipeliningPublisher } from '../load/pipelining-publisher.ts';
import { measureFsyncMs } from '../machine.ts';
import { startMillrace } from '../peers/millrace.ts';
import type { Outcome, Scenario, Side } from '../scenario.ts';
import { cpuUsOf } from '../server-process.ts';
import { percentile } from '../statistics.ts';

const PUBLISHERS = 50;
const DRAIN_MS = 30_000;

function appendSide(namespace: string, name: string): Side {
  return {
    name,
    missing: async () => undefined,
    measure: (environment) => measureAppend(namespace, environment),
  };
}

async function measureAppend(namespace: string, environment: Environment): Promise<Outcome> {
  const fsync = measureFsyncMs(import.meta.dirname);
  const publishers = Array.from(
    { length: scaled(PUBLISHERS, environment) },
    (_, n) => new PipeliningPublisher(`${namespace}.append-${n}`),
  );
  const topics = publishers.map(({ topic }) => topic);
  const running = await startMillrace(
    { subscribers: 0, topics, eventsPerSecond: 0, eventsPerBatch: 1 },
    environment,
  );
  try {
    for (const publisher of publishers) await publisher.connect(running);
    for (const publisher of publishers) publisher.start();
    await pause(environment.warmUpMs);
    for (const publisher of publishers) publisher.latencies = [];
    const [begun, serverUs, loadUs] = [performance.now(), await cpuUsOf(running.pid), process.cpuUsage()];
    await pause(environment.measureMs);
    const latencies = publishers.flatMap((publisher) => publisher.latencies);
    const spentUs = (await cpuUsOf(running.pid)) - serverUs;
    const seconds = (performance.now() - begun) / 1000;
    const load = process.cpuUsage(loadUs);
    return {
      figures: {
        appends: latencies.length / seconds,
        p50: percentile(latencies, 0.5),
        p99: percentile(latencies, 0.99),
        usPerAppend: spentUs / latencies.length,
        cpu: spentUs / 1e4 / seconds,
        loadCpu: (load.user + load.system) / 1e4 / seconds,
        fsync,
      },
      problems: await findProblems(publishers),
    };
  } finally {
    for (const publisher of publishers) publisher.close();
    await running.close();
  }
}

/** Everything acknowledged is in the log, and nothing else. */
async function findProblems(publishers: readonly PipeliningPublisher[]): Promise<string[]> {
  const deadline = performance.now() + DRAIN_MS;
  for (const publisher of publishers) publisher.stop();
  while (publishers.some(({ pending }) => pending > 0) && performance.now() < deadline) await pause(20);
  const problems = publishers.flatMap((publisher) => publisher.problems);
  for (const publisher of publishers) {
    const { topic, acknowledged, pending } = publisher;
    if (pending > 0) problems.push(`${pending} publications to ${topic} were never answered`);
    const head = await publisher.head();
    if (head !== acknowledged) problems.push(`${topic} has ${head} events, ${acknowledged} acknowledged`);
  }
  return problems.slice(0, 5);
}

const DURABLE = 'Millrace, durable';

export const appendWebSocket: Scenario = {
  name: 'append-websocket',
  title: `Append: ${PUBLISHERS} WebSocket publishers, ${PIPELINE} publications under way each, a topic each`,
  metrics: [
    { key: 'appends', title: 'appends/s', digits: 0 },
    { key: 'p50', title: 'p50 ms', digits: 2 },
    { key: 'p99', title: 'p99 ms', digits: 2 },
    { key: 'usPerAppend', title: 'µs CPU/append', digits: 1 },
    { key: 'cpu', title: 'CPU %', digits: 0 },
    { key: 'loadCpu', title: 'CPU % of the publishers', digits: 0 },
    { key: 'fsync', title: 'fsync ms', digits: 2 },
  ],
  sides: [appendSide('task', DURABLE), appendSide('bench', 'Millrace, live')],
  targets: [
    { text: 'append from 50 WebSockets: ≥ 20,000/s', side: DURABLE, metric: 'appends', atLeast: 20_000 },
  ],
};
