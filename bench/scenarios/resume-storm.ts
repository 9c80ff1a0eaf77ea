import { type Environment, pause, scaled } from '../environment.ts';
import { Pacing } from '../load/pacing.ts';
import { Subscribers } from '../load/subscribers.ts';
import type { Workload } from '../load/workload.ts';
import { startMillrace } from '../peers/millrace.ts';
import type { Outcome, Scenario, Side } from '../scenario.ts';
import { cpuUsOf } from '../server-process.ts';
import { findMissing, findProblems } from './fan-out.ts';

const CLIENTS = 1000;
const DURABLE = 'Millrace, durable';

function stormSide(topic: string, name: string): Side {
  return {
    name,
    missing: async () => undefined,
    measure: (environment) => measureStorm(topic, environment),
  };
}

/** All clients lose their connections, and after a while come back at once, while publishing goes on. */
async function measureStorm(topic: string, environment: Environment): Promise<Outcome> {
  const workload: Workload = {
    subscribers: scaled(CLIENTS, environment),
    topics: [topic],
    eventsPerSecond: 200,
    eventsPerBatch: 10,
  };
  const running = await startMillrace(workload, environment);
  let subscribers: Subscribers | undefined;
  try {
    subscribers = await Subscribers.open(
      running,
      { subscribers: workload.subscribers, topics: 1 },
      environment,
    );
    const publisher = await running.connectPublisher?.();
    if (publisher === undefined) throw new Error('Millrace takes publications');
    const pacing = new Pacing(workload, (events) => publisher.publish(events));
    const [published] = [pacing.published];
    await pause(environment.warmUpMs);
    await subscribers.mark();
    const atCut = published[0] ?? 0;
    await subscribers.cut();
    await pause(environment.measureMs / 2);
    const missed = (published[0] ?? 0) - atCut;
    const [serverUs, begun] = [await cpuUsOf(running.pid), performance.now()];
    const resumed = await subscribers.resume(published[0] ?? 0);
    const cpuMs = ((await cpuUsOf(running.pid)) - serverUs) / 1000;
    const seconds = (performance.now() - begun) / 1000;
    await pause(environment.warmUpMs);
    pacing.stop();
    const problems = await findMissing(subscribers, published);
    const rest = await subscribers.mark();
    publisher.close();
    if (rest.unrecovered > 0) problems.push(`${rest.unrecovered} subscriptions were not recovered`);
    if (rest.dropped > 0) problems.push(`${rest.dropped} events were dropped`);
    return {
      figures: {
        p50: resumed.p50Ms,
        p99: resumed.p99Ms,
        max: resumed.maxMs,
        missed,
        cpuMs,
        cpu: cpuMs / 10 / seconds,
      },
      problems: [...problems, ...findProblems([rest])],
    };
  } finally {
    await subscribers?.close();
    await running.close();
  }
}

export const resumeStorm: Scenario = {
  name: 'resume-storm',
  title: `Resume: ${CLIENTS.toLocaleString('en')} clients come back at once while 200 events/s are published`,
  metrics: [
    { key: 'p50', title: 'caught up p50 ms', digits: 0 },
    { key: 'p99', title: 'p99 ms', digits: 0 },
    { key: 'max', title: 'last ms', digits: 0 },
    { key: 'missed', title: 'events missed by each', digits: 0 },
    { key: 'cpuMs', title: 'CPU ms', digits: 0 },
    { key: 'cpu', title: 'CPU %', digits: 0 },
  ],
  sides: [stormSide('task.storm', DURABLE), stormSide('bench.storm', 'Millrace, live')],
  targets: [],
};
