import { readFile } from 'node:fs/promises';
import { type Environment, pause, scaled } from '../environment.ts';
import { Pacing } from '../load/pacing.ts';
import { type Marked, Subscribers } from '../load/subscribers.ts';
import type { Workload } from '../load/workload.ts';
import { millrace } from '../peers/millrace.ts';
import type { Outcome, Scenario, Side } from '../scenario.ts';
import { findMissing, findProblems } from './fan-out.ts';

/** 400 KB a second to each: in the time of a full run (6.5 × 4 s) more than 10 MB. */
const workload: Workload = {
  subscribers: 1000,
  topics: ['task.slow'],
  eventsPerSecond: 100,
  eventsPerBatch: 1,
  dataBytes: 4000,
};
const DEAF = 100;
const MEASURES = 6.5;
/** How often memory is looked at, in ms. */
const LOOK_EVERY_MS = 200;
/** The page of `/proc/net/sockstat`, in bytes. */
const PAGE_BYTES = 4096;

export const slowClients: Scenario = {
  name: 'slow-clients',
  title:
    'Slow clients: 100 events/s of 4 KB of a durable topic to 1,000 subscribers, of whom 100 do not read',
  metrics: [
    { key: 'p50', title: 'p50 ms', digits: 2 },
    { key: 'p99', title: 'p99 ms', digits: 2 },
    { key: 'cpu', title: 'CPU %', digits: 0 },
    { key: 'megabytes', title: 'MB published to each', digits: 1 },
    { key: 'rss', title: 'RSS MB', digits: 0 },
    { key: 'kernel', title: 'socket memory MB', digits: 0 },
    { key: 'catchUp', title: 'catch-up s', digits: 1 },
    { key: 'p99Then', title: 'p99 ms meanwhile', digits: 2 },
  ],
  sides: [sideWith('everybody reads', 0), sideWith('100 do not read', DEAF)],
  relativeTo: { side: 'everybody reads', metric: 'p99' },
  targets: [
    {
      text: '100 of 1,000 do not read: p99 of the others ≤ 1.25 × that without them',
      side: '100 do not read',
      metric: 'p99',
      relativeTo: 'everybody reads',
      atMost: 1.25,
    },
  ],
};

function sideWith(name: string, deaf: number): Side {
  return {
    name,
    missing: async ({ tools }) =>
      tools === undefined ? 'only the C subscribers can stop reading' : undefined,
    measure: (environment) => measure(scaled(deaf, environment), deaf > 0, environment),
  };
}

async function measure(deaf: number, some: boolean, environment: Environment): Promise<Outcome> {
  const own = { ...workload, subscribers: scaled(workload.subscribers, environment) };
  const running = await millrace.start(own, environment);
  let subscribers: Subscribers | undefined;
  try {
    subscribers = await Subscribers.open(running, { subscribers: own.subscribers, topics: 1 }, environment);
    const publisher = await running.connectPublisher?.();
    if (publisher === undefined) throw new Error('Millrace has a publisher');
    if (some) await subscribers.deafen(deaf);
    const kernelBefore = await socketMemory();
    const pacing = new Pacing(own, (events) => publisher.publish(events));
    await pause(environment.warmUpMs);
    const marks: Marked[] = [await subscribers.mark()];
    const kernel = (await highestSocketMemory(environment.measureMs * MEASURES)) - kernelBefore;
    const measured = await subscribers.mark();
    const { catchUp, marked } = await letThemReadAgain(subscribers, pacing, some);
    const problems = [...(await findMissing(subscribers, pacing.published))];
    publisher.close();
    marks.push(measured, marked, await subscribers.mark());
    const events = pacing.published[0] ?? 0;
    return {
      figures: {
        p50: measured.p50Us / 1000,
        p99: measured.p99Us / 1000,
        cpu: measured.cpuUs / 1e4 / measured.seconds,
        megabytes: (events * (workload.dataBytes ?? 0)) / 1e6,
        rss: measured.rssKb / 1024,
        kernel: kernel / 1e6,
        catchUp,
        p99Then: marked.p99Us / 1000,
      },
      problems: [...problems, ...findProblems(marks)],
    };
  } finally {
    await subscribers?.close();
    await running.close();
  }
}

/** Publishing goes on while those that were deaf catch up; then it ends. */
async function letThemReadAgain(
  subscribers: Subscribers,
  pacing: Pacing,
  some: boolean,
): Promise<{ catchUp: number; marked: Marked }> {
  const began = performance.now();
  if (some) {
    const missed = pacing.published[0] ?? 0;
    await subscribers.listen();
    while (((await subscribers.heads())[0]?.[0] ?? 0) < missed && performance.now() - began < 60_000)
      await pause(50);
  }
  const catchUp = (performance.now() - began) / 1000;
  const marked = await subscribers.mark();
  pacing.stop();
  return { catchUp, marked };
}

async function highestSocketMemory(forMs: number): Promise<number> {
  let highest = 0;
  for (const end = performance.now() + forMs; performance.now() < end; ) {
    highest = Math.max(highest, await socketMemory());
    await pause(LOOK_EVERY_MS);
  }
  return highest;
}

/** Bytes that the kernel holds for all TCP sockets of the machine. */
async function socketMemory(): Promise<number> {
  const text = await readFile('/proc/net/sockstat', 'utf8');
  return Number(/^TCP:.* mem (\d+)/m.exec(text)?.[1] ?? 0) * PAGE_BYTES;
}
