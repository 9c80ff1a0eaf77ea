import { type ChildProcess, fork, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compileOutputViewer } from '../native-tools.ts';
import { percentile } from '../statistics.ts';
import type { Took } from './run-command.ts';
import type { ViewerOrder, ViewerReport } from './run-viewer.ts';
import { millrace, startServe } from './serve.ts';

/*
 * A command with much output through `millrace run`: watched at three doors, one of which is cut every second, byte for byte; how fast, what the
 * server's memory grows by, and how much a command that prints 5 MB/s is slowed. `npm run soak:run`; fails when a bound is missed.
 */

const { values } = parseArgs({
  options: {
    bytes: { type: 'string', default: '100000000' },
    rounds: { type: 'string', default: '3' },
    cut: { type: 'string', default: 'sdk' },
    'cut-ms': { type: 'string', default: '1000' },
    only: { type: 'string' },
    doors: { type: 'string', default: 'sdk,sse,bare' },
  },
});
const BOUNDS = { bytesPerSecond: 20e6, grownBytes: 50 * 1024 * 1024, slowedBy: 0.05 } as const;
const PACE_BYTES_PER_SECOND = 5e6;
const PACED_PAIRS = 7;
const doors = values.doors.split(',').filter((door): door is ViewerOrder['door'] => door !== '');

const bytes = Number(values.bytes);
const directory = await mkdtemp(join(tmpdir(), 'millrace-soak-'));
const tookFile = join(directory, 'took');
const command = fileURLToPath(new URL('./run-command.ts', import.meta.url));
// Viewers that cost as much as the server would be what is measured. The SDK is watched with the SDK.
const native = await compileOutputViewer();
if (native === undefined)
  console.warn(
    'NO C COMPILER, OpenSSL or zlib: viewers are Node.js, and take from the server what they need',
  );
const server = await startServe({ directory });
const { url } = server;
const tokens = { observer: await server.token('observer'), publisher: await server.token('publisher') };

function residentBytes(): number {
  const [, kB] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8')) ?? [];
  return Number(kB) * 1024;
}

/** What a process has computed so far, all its threads together; 0 when it is gone. */
function cpuSeconds(pid: number | undefined): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return 0;
  }
}

/** Calls `look` until stopped. */
function watch(look: () => void): () => void {
  const timer = setInterval(look, 50);
  return () => clearInterval(timer);
}

interface Run {
  /** Wall clock time when it had ended, in ms since 1970. */
  readonly endedAt: number;
  readonly seconds: number;
  /** Of the process itself, without what it started. */
  readonly cpu: number;
  readonly exitCode: number;
}

async function time(executable: string, args: readonly string[]): Promise<Run> {
  const start = performance.now();
  const child = spawn(executable, args, {
    stdio: ['ignore', 'ignore', 'ignore'],
    env: { ...server.env, MILLRACE_URL: url, MILLRACE_TOKEN: tokens.publisher },
    cwd: directory,
  });
  let cpu = 0;
  const stop = watch(() => {
    cpu = Math.max(cpu, cpuSeconds(child.pid));
  });
  const [exitCode] = (await once(child, 'exit')) as [number];
  stop();
  const end = performance.now();
  return { endedAt: performance.timeOrigin + end, seconds: (end - start) / 1000, cpu, exitCode };
}

const printing = (...args: string[]): [string, ...string[]] => [
  process.execPath,
  command,
  '--took',
  tookFile,
  ...args,
];

/** Read once: the next command must write its own. */
function readTook(): Took {
  const took = JSON.parse(readFileSync(tookFile, 'utf8')) as Took;
  rmSync(tookFile);
  return took;
}

const recorded = (topic: string, args: readonly string[]) =>
  time(process.execPath, [millrace, 'run', '-q', '--topic', topic, '--', ...args]);

/** A viewer that ends when the topic is at its end. */
function watchWith(order: ViewerOrder): Promise<ViewerReport> {
  if (native === undefined || order.door === 'sdk' || order.cutEveryMs > 0)
    return reportOf(startViewer(order));
  return nativeReport(native.program, order);
}

async function nativeReport(program: string, { door, topic, token }: ViewerOrder): Promise<ViewerReport> {
  const { port } = new URL(url);
  const paths = {
    sse: `/events?topics=${topic}&since=earliest`,
    bare: `/ws/${topic.replaceAll('.', '/')}?since=earliest&token=${token}`,
  };
  const args = door === 'sse' ? ['-s', '-k', token, '-p', paths.sse] : ['-p', paths.bare];
  const viewer = spawn(program, ['-P', port, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [report, [exitCode]] = await Promise.all([text(viewer.stdout), once(viewer, 'close')]);
  if (exitCode !== 0) throw new Error(`the viewer at ${door} ended with ${exitCode}`);
  return JSON.parse(report) as ViewerReport;
}

function startViewer(order: ViewerOrder): ChildProcess {
  const viewer = fork(fileURLToPath(new URL('./run-viewer.ts', import.meta.url)), {
    execArgv: process.execArgv,
  });
  viewer.send(order);
  return viewer;
}

async function reportOf(viewer: ChildProcess): Promise<ViewerReport> {
  const [report] = (await once(viewer, 'message')) as [ViewerReport];
  return report;
}

/** What the command prints when it is alone. */
async function expectedHashes(): Promise<{ stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [command, '--bytes', String(bytes)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const hashes = { stdout: createHash('sha256'), stderr: createHash('sha256') };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].on('data', (part: Buffer) => hashes[name].update(part));
  await once(child, 'close');
  return { stdout: hashes.stdout.digest('hex'), stderr: hashes.stderr.digest('hex') };
}

const problems: string[] = [];
const expect = (holds: boolean, problem: string): void => {
  if (!holds) problems.push(problem);
};
const mb = (value: number): string => (value / 1e6).toFixed(1);

interface Watched {
  readonly run: Run;
  /** From the command's first byte until all of it was stored and `millrace run` had ended. */
  readonly seconds: number;
  readonly seen: readonly ViewerReport[];
  readonly viewedSeconds: number;
  readonly before: number;
  readonly grown: number;
  readonly serverCpu: number;
}

/** Runs the printing command with a viewer at each door. */
async function watched(topic: string, size: number): Promise<Watched> {
  const viewers = doors.map((door) =>
    watchWith({
      door,
      url,
      token: tokens.observer,
      topic,
      cutEveryMs: door === values.cut ? Number(values['cut-ms']) : 0,
    }),
  );
  const reports = Promise.all(viewers);
  // A viewer that fails is told of when the command has ended.
  reports.catch(() => {});
  // They are to be there from the beginning.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const before = residentBytes();
  let peak = before;
  const stop = watch(() => {
    peak = Math.max(peak, residentBytes());
  });
  const cpuBefore = cpuSeconds(server.pid);
  const start = performance.now();
  const run = await recorded(topic, printing('--bytes', String(size)));
  if (run.exitCode !== 7) throw new Error(`\`millrace run\` ended with ${run.exitCode}`);
  const seen = await reports;
  stop();
  return {
    run,
    seconds: (run.endedAt - readTook().beganAt) / 1000,
    seen,
    viewedSeconds: (performance.now() - start) / 1000,
    before,
    grown: peak - before,
    serverCpu: cpuSeconds(server.pid) - cpuBefore,
  };
}

/**
 * The first output that a server sees loads code, and fills caches and the allocator's arenas up to their bounds: that is told by itself. What
 * the rounds after it hold the server to is that more output takes no more memory.
 */
async function warmUp(): Promise<void> {
  const { before, grown } = await watched('tool.soak-warm-up', bytes);
  console.log(`warm-up, ${mb(bytes)} MB: server ${mb(before)} MB + ${mb(grown)} MB (not held to the bound)`);
}

async function throughput(round: number, expected: { stdout: string; stderr: string }): Promise<void> {
  const { run, seconds, seen, viewedSeconds, before, grown, serverCpu } = await watched(
    `tool.soak-${round}`,
    bytes,
  );
  const rate = bytes / seconds;
  console.log(
    `round ${round}: ${mb(rate)} MB/s (${seconds.toFixed(2)} s after ${(run.seconds - seconds).toFixed(2)} s to start; ` +
      `the last viewer had it after ${viewedSeconds.toFixed(2)} s), ` +
      `server ${mb(before)} MB + ${mb(grown)} MB, CPU server ${serverCpu.toFixed(1)} s, run ${run.cpu.toFixed(1)} s, ` +
      `cuts ${seen.map(({ cuts }) => cuts).join('/')}`,
  );
  expect(rate >= BOUNDS.bytesPerSecond, `round ${round}: ${mb(rate)} MB/s`);
  expect(grown <= BOUNDS.grownBytes, `round ${round}: the server grew by ${mb(grown)} MB`);
  for (const [i, { stdout, stderr, gaps, exitCode: told, bytes: had }] of seen.entries()) {
    const right = stdout === expected.stdout && stderr === expected.stderr;
    expect(right, `round ${round}: ${doors[i]} saw other bytes (${had} of ${bytes})`);
    expect(gaps === 0, `round ${round}: ${doors[i]} was told of ${gaps} gaps`);
    expect(told === 7, `round ${round}: ${doors[i]} saw exit code ${told}`);
  }
}

/**
 * How much longer the command itself takes, from its first byte to its last. What `millrace run` needs before it and after it is the same
 * for a command of a minute, and is told by itself. A machine may be quicker in one minute than in the next: pairs, each way
 * round, and their median.
 */
async function slowdown(): Promise<void> {
  const size = 40e6;
  const paced = (workMs: number) => printing('--bytes', String(size), '--work-ms', String(workMs));
  const ownSeconds = ({ exitCode }: Run): number => {
    if (exitCode !== 7) throw new Error(`the paced command ended with ${exitCode}`);
    return readTook().seconds;
  };
  const alone = async (workMs: number): Promise<number> => ownSeconds(await time(...spread(paced(workMs))));
  let workMs = 190;
  for (let i = 0; i < 3; i++) workMs *= size / PACE_BYTES_PER_SECOND / (await alone(workMs));
  const ratios: number[] = [];
  for (let i = 0; i < PACED_PAIRS; i++) {
    const before = i % 2 === 0 ? await alone(workMs) : undefined;
    const run = await recorded(`tool.paced-${i}`, paced(workMs));
    const withUs = ownSeconds(run);
    const without = before ?? (await alone(workMs));
    ratios.push(withUs / without);
    console.log(
      `paced: alone ${without.toFixed(2)} s (${mb(size / without)} MB/s), recorded ${withUs.toFixed(2)} s, ` +
        `and ${(run.seconds - withUs).toFixed(2)} s to start and to end`,
    );
  }
  const slowed = percentile(ratios, 0.5) - 1;
  console.log(`slowed by ${(slowed * 100).toFixed(1)} % (median of ${PACED_PAIRS} pairs)`);
  expect(slowed <= BOUNDS.slowedBy, `slowed by ${(slowed * 100).toFixed(1)} %`);
}

function spread([executable, ...args]: [string, ...string[]]): [string, string[]] {
  return [executable, args];
}

try {
  if (values.only !== 'pace') {
    const expected = await expectedHashes();
    await time(...spread(printing('--bytes', String(bytes))));
    console.log(`alone, read by nobody: ${mb(bytes / readTook().seconds)} MB/s`);
    await warmUp();
    for (let round = 1; round <= Number(values.rounds); round++) await throughput(round, expected);
  }
  if (values.only !== 'throughput') await slowdown();
} finally {
  await server.close();
  await native?.close();
  await rm(directory, { recursive: true, force: true });
}
for (const problem of problems) console.error(`MISSED: ${problem}`);
process.exitCode = problems.length === 0 ? 0 : 1;
