import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createServer, signToken, systemClock } from '@millrace/server';
import type { ResumeOrder, ResumeReport } from './resume-clients.ts';

/*
 * Resume under random cuts: clients of one durable topic and of a pattern over many, some of them born on the way, are
 * cut and kept away at random while events are published. In the end every client must have had every event once,
 * in order. `npm run soak:resume`; ends by itself.
 */

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '60' },
    rate: { type: 'string', default: '200' },
    topics: { type: 'string', default: '50' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const clients = Number(values.clients);
const seconds = Number(values.seconds);
const rate = Number(values.rate);
const topicCount = Number(values.topics);
const WORKERS = 2;
const secret = 'the soak test signs its own tokens with this';

const directory = await mkdtemp(join(tmpdir(), 'millrace-soak-'));
const server = await createServer({
  server: { port: 0 },
  data: { directory },
  auth: { secret },
  host: { enabled: false },
  sources: { server: false, process: false },
  log: { level: 'warn' },
  limits: { maxConnections: clients * 2 },
});
const { port } = await server.listen();
const token = await signToken({
  key: { alg: 'HS256', secret },
  userId: 'soak',
  roles: ['observer'],
  ttlMs: 7_200_000,
  clock: systemClock,
});

const workers = Array.from({ length: WORKERS }, (_, index) => {
  const worker = fork(fileURLToPath(new URL('./resume-clients.ts', import.meta.url)), {
    execArgv: process.execArgv,
  });
  const order: ResumeOrder = {
    url: `http://127.0.0.1:${port}`,
    token,
    clients: clients / WORKERS,
    seed: Number(values.seed) + index,
    cutForMs: seconds * 1000,
  };
  worker.send(order);
  return worker;
});
console.error(
  `seed ${values.seed}: ${clients} clients, ${topicCount} topics, ${rate} events/s for ${seconds} s`,
);

const heads = new Map<string, number>();
const start = performance.now();
let published = 0;
while (performance.now() - start < seconds * 1000) {
  const share = (performance.now() - start) / (seconds * 1000);
  // Half of the topics exist from the beginning, the others are born on the way.
  const born = Math.ceil(topicCount * (0.5 + share / 2));
  const due = Math.floor(((performance.now() - start) / 1000) * rate);
  const publications: Promise<void>[] = [];
  for (; published < due; published++) {
    const topic = published % 10 === 0 ? 'soak.one' : `soak.t-${published % born}`;
    publications.push(
      server.publish(topic, 'soak.tick', { n: published }).then(({ offset }) => {
        heads.set(topic, Math.max(offset, heads.get(topic) ?? 0));
      }),
    );
  }
  await Promise.all(publications);
  await pause(5);
}

const reports = await Promise.all(workers.map((worker) => finish(worker)));
await server.close();
await rm(directory, { recursive: true, force: true });
const sum = (of: (report: ResumeReport) => number): number =>
  reports.reduce((total, report) => total + of(report), 0);
const result = {
  seed: Number(values.seed),
  clients,
  topics: heads.size,
  published,
  delivered: sum(({ delivered }) => delivered),
  cuts: sum(({ cuts }) => cuts),
  gaps: sum(({ gaps }) => gaps),
  repeats: sum(({ repeats }) => repeats),
  unrecovered: sum(({ unrecovered }) => unrecovered),
  missing: sum(({ missing }) => missing),
};
console.log(JSON.stringify(result));
process.exitCode = result.gaps + result.repeats + result.unrecovered + result.missing === 0 ? 0 : 1;

async function finish(worker: ChildProcess): Promise<ResumeReport> {
  worker.send({ heads: [...heads] });
  const [report] = (await once(worker, 'message')) as [ResumeReport];
  worker.disconnect();
  return report;
}
