import { outputOf } from '../child.ts';
import { type Environment, pause, scaled } from '../environment.ts';
import { Subscribers } from '../load/subscribers.ts';
import type { Workload } from '../load/workload.ts';
import { millrace } from '../peers/millrace.ts';
import type { Peer } from '../peers/peer.ts';
import { ws } from '../peers/ws.ts';
import type { Outcome, Scenario, Side } from '../scenario.ts';
import { findProblems } from './fan-out.ts';

const SESSIONS = 10_000;
/** Files that a server has open beside its connections, generously. */
const OTHER_FILES = 500;

interface IdleOptions {
  readonly topic: string;
  /** Sessions offer permessage-deflate, as browsers do. */
  readonly deflate?: boolean;
}

function idleSide(peer: Peer, options: IdleOptions, name: string): Side {
  return {
    name,
    async missing(environment) {
      const limit = Number.parseInt((await outputOf('sh', '-c', 'ulimit -Hn')) ?? '', 10);
      const needed = scaled(SESSIONS, environment) + OTHER_FILES;
      if (limit < needed) return `a process may open ${limit} files, ${needed} are needed (ulimit -n)`;
      if (options.deflate && environment.tools === undefined)
        return 'only the C subscribers offer compression';
      return peer.missing(environment);
    },
    measure: (environment) => measureIdle(peer, options, environment),
  };
}

async function measureIdle(
  peer: Peer,
  { topic, deflate = false }: IdleOptions,
  environment: Environment,
): Promise<Outcome> {
  const sessions = scaled(SESSIONS, environment);
  const workload: Workload = {
    subscribers: sessions,
    topics: [topic],
    eventsPerSecond: 1,
    eventsPerBatch: 1,
    deflate,
  };
  const running = await peer.start(workload, environment);
  let subscribers: Subscribers | undefined;
  try {
    const first = await Subscribers.open(running, { subscribers: 1, topics: 1 }, environment);
    await pause(environment.warmUpMs);
    const before = await first.mark();
    await first.close();
    subscribers = await Subscribers.open(running, { subscribers: sessions, topics: 1 }, environment);
    await pause(environment.warmUpMs);
    const warmUp = await subscribers.mark();
    await pause(environment.measureMs);
    const after = await subscribers.mark();
    return {
      figures: {
        kbPerSession: (after.rssKb - before.rssKb) / sessions,
        rss: after.rssKb / 1024,
        connects: (1000 * sessions) / subscribers.connectMs,
        cpu: after.cpuUs / 1e4 / after.seconds,
      },
      problems: findProblems([warmUp, after]),
    };
  } finally {
    await subscribers?.close();
    await running.close();
  }
}

export const idle: Scenario = {
  name: 'idle',
  title: 'Idle: 10,000 connections with one subscription each',
  metrics: [
    { key: 'kbPerSession', title: 'KB RSS/session', digits: 2 },
    { key: 'rss', title: 'RSS MB', digits: 0 },
    { key: 'connects', title: 'connections/s', digits: 0 },
    { key: 'cpu', title: 'CPU %', digits: 1 },
  ],
  sides: [
    idleSide(millrace, { topic: 'bench.idle' }, 'Millrace, one topic'),
    idleSide(millrace, { topic: 'bench.idle', deflate: true }, 'Millrace, compression offered'),
    idleSide(millrace, { topic: 'bench.idle-#' }, 'Millrace, a topic each'),
    idleSide(ws, { topic: 'bench.idle' }, 'ws, send() each'),
  ],
  relativeTo: { side: 'ws, send() each', metric: 'kbPerSession' },
  targets: ['one topic', 'compression offered', 'a topic each'].map((how) => ({
    text: `10,000 idle sessions, ${how}: ≤ 12 KB RSS a session`,
    side: `Millrace, ${how}`,
    metric: 'kbPerSession',
    atMost: 12,
  })),
};
