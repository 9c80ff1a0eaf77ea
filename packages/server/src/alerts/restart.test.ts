import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { ApiClient, TEST_SECRET, until } from '@millrace/testkit';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { signToken } from '../auth/sign-token.ts';
import { systemClock } from '../clock.ts';
import type { SystemAlert } from './incident.ts';

/** For a machine that does much else. */
const DEADLINE_MS = 60_000;
const SERVER = join(import.meta.dirname, 'fixtures/killed-server.ts');

let directory: string;
let child: ChildProcess;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-alerts-'));
});
afterEach(async () => {
  await kill();
  for (const pid of await remedies()) endGroup(pid);
  await rm(directory, { recursive: true, force: true });
});

/** Process groups of commands that outlived the server that ran them. */
async function remedies(): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-eo', 'pid=,args=']);
  return stdout
    .split('\n')
    .filter((line) => line.includes(join(directory, 'ran')) && line.includes('appendFileSync'))
    .map((line) => Number.parseInt(line, 10));
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}

async function start(): Promise<ApiClient> {
  child = spawn(
    process.execPath,
    ['--conditions=source', SERVER, join(directory, 'data'), join(directory, 'ran')],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the server ended by itself, with code ${code}`);
  });
  ended.catch(() => {});
  const [port] = (await Promise.race([once(lines, 'line'), ended])) as [string];
  const token = await signToken({
    key: { alg: 'HS256', secret: TEST_SECRET },
    userId: 'tester',
    roles: ['admin'],
    ttlMs: 600_000,
    clock: systemClock,
  });
  return new ApiClient(`http://127.0.0.1:${port}`, token);
}

async function kill(): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

async function tell(api: ApiClient, value: number): Promise<void> {
  const { status } = await api.post('/api/v1/events', {
    topic: 'metrics.noisy',
    event: 'gauge',
    data: { value },
  });
  expect(status).toBe(200);
}

/** Announcements, oldest first. */
async function announced(api: ApiClient): Promise<SystemAlert[]> {
  const { body } = await api.get<{ events?: { data: SystemAlert }[] }>(
    '/api/v1/topics/system.alerts/events?last=100',
  );
  return (body.events ?? []).map(({ data }) => data);
}

/** A wrong level that dips for moments, told until `done`. */
async function noise(
  api: ApiClient,
  dip: number,
  done: () => Promise<boolean>,
  description: string,
): Promise<void> {
  let n = 0;
  await until(
    async () => {
      await tell(api, n++ % 5 === 4 ? dip : 95 + (n % 3));
      await tell(api, 92);
      return done();
    },
    description,
    DEADLINE_MS,
  );
}

test('[ALERT-3] [ALERT-4] under a noisy metric, over two kills, an incident fires once, runs its remediation once and is resolved once', {
  timeout: 180_000,
}, async () => {
  let api = await start();
  await noise(
    api,
    75,
    async () => (await announced(api)).at(-1)?.auto_remediation_status === 'running',
    'the remediation to run',
  );
  await until(
    async () => (await readFile(join(directory, 'ran'), 'utf8').catch(() => '')) !== '',
    'the command',
    DEADLINE_MS,
  );
  await kill();

  api = await start();
  expect((await api.get<{ alerts: SystemAlert[] }>('/api/v1/alerts')).body.alerts).toMatchObject([
    { source: 'noisy', auto_remediation_attempted: true, auto_remediation_status: 'interrupted' },
  ]);
  let told = 0;
  await noise(api, 60, async () => told++ > 30, 'some noise');
  await kill();

  api = await start();
  await until(
    async () => {
      await tell(api, 20);
      return (await announced(api)).at(-1)?.state === 'resolved';
    },
    'the end',
    DEADLINE_MS,
  );
  const alerts = await announced(api);
  expect(alerts.map(({ change, auto_remediation_status: status }) => [change, status])).toEqual([
    ['fired', 'pending'],
    ['remediation', 'running'],
    ['remediation', 'interrupted'],
    ['resolved', 'interrupted'],
  ]);
  expect(new Set(alerts.map(({ alert_id }) => alert_id)).size).toBe(1);
  expect(await readFile(join(directory, 'ran'), 'utf8')).toBe(`${alerts[0]?.alert_id}\n`);
  expect((await api.get<{ alerts: SystemAlert[] }>('/api/v1/alerts')).body.alerts).toEqual([]);
});

test('[ALERT-3] killed at any moment of an incident’s beginning, it is announced once', {
  timeout: 180_000,
}, async () => {
  const seed = Math.floor(Math.random() * 1e6);
  for (let round = 0; round < 4; round++) {
    const api = await start();
    const waitMs = (seed >> round) % 60;
    await tell(api, 99);
    const firstSeen = performance.now();
    await until(
      async () => {
        await tell(api, 99);
        return performance.now() - firstSeen > 200 + waitMs;
      },
      'the moment',
      DEADLINE_MS,
    );
    await kill();
  }
  const api = await start();
  await until(
    async () => {
      await tell(api, 99);
      return (await announced(api)).length > 0;
    },
    'the alert',
    DEADLINE_MS,
  );
  const fired = (await announced(api)).filter(({ change }) => change === 'fired');
  expect(fired, `seed ${seed}`).toHaveLength(1);
  const ran = await readFile(join(directory, 'ran'), 'utf8').catch(() => '');
  expect(ran.split('\n').length, `seed ${seed}`).toBeLessThanOrEqual(2);
});
