import { type ChildProcess, fork, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { percentile } from '../statistics.ts';
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
const command = fileURLToPath(new URL('./run-command.ts', import.meta.url));
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
  return { seconds: (performance.now() - start) / 1000, cpu, exitCode };
}

const printing = (...args: string[]): [string, ...string[]] => [process.execPath, command, ...args];
const recorded = (topic: string, args: readonly string[]) =>
  time(process.execPath, [millrace, 'run', '-q', '--topic', topic, '--', ...args]);

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
  readonly seen: readonly ViewerReport[];
  readonly viewedSeconds: number;
  readonly before: number;
  readonly grown: number;
  readonly serverCpu: number;
}

/** Runs the printing command with a viewer at each door. */
async function watched(topic: string, size: number): Promise<Watched> {
  const viewers = doors.map((door) =>
    startViewer({
      door,
      url,
      token: tokens.observer,
      topic,
      cutEveryMs: door === values.cut ? Number(values['cut-ms']) : 0,
    }),
  );
  const reports = Promise.all(viewers.map(reportOf));
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
  const seen = await reports;
  stop();
  return {
    run,
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
  const { run, seen, viewedSeconds, before, grown, serverCpu } = await watched(`tool.soak-${round}`, bytes);
  const rate = bytes / run.seconds;
  console.log(
    `round ${round}: ${mb(rate)} MB/s (${run.seconds.toFixed(2)} s; the last viewer had it after ${viewedSeconds.toFixed(2)} s), ` +
      `server ${mb(before)} MB + ${mb(grown)} MB, CPU server ${serverCpu.toFixed(1)} s, run ${run.cpu.toFixed(1)} s, ` +
      `cuts ${seen.map(({ cuts }) => cuts).join('/')}`,
  );
  expect(run.exitCode === 7, `round ${round}: exit code ${run.exitCode}`);
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
  const took = join(directory, 'took');
  const paced = (workMs: number) =>
    printing('--bytes', String(size), '--work-ms', String(workMs), '--took', took);
  // Read once: the next run must write its own.
  const ownSeconds = ({ exitCode }: Run): number => {
    if (exitCode !== 7) throw new Error(`the paced command ended with ${exitCode}`);
    const seconds = Number(readFileSync(took, 'utf8'));
    rmSync(took);
    return seconds;
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
    const alone = await time(...spread(printing('--bytes', String(bytes))));
    console.log(`alone: ${mb(bytes / alone.seconds)} MB/s`);
    await warmUp();
    for (let round = 1; round <= Number(values.rounds); round++) await throughput(round, expected);
  }
  if (values.only !== 'throughput') await slowdown();
} finally {
  await server.close();
  await rm(directory, { recursive: true, force: true });
}
for (const problem of problems) console.error(`MISSED: ${problem}`);
process.exitCode = problems.length === 0 ? 0 : 1;
