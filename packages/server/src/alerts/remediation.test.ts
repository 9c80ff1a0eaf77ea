import { createHmac } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@millrace/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AlertRuleConfig, RemediationConfig } from '../config-schema.ts';
import { AlertWorld } from './fixtures/alert-world.ts';
import type { SystemAlert } from './incident.ts';

let world: AlertWorld;
let folder: string;

beforeEach(async () => {
  world = new AlertWorld();
  folder = await mkdtemp(join(tmpdir(), 'millrace-remedy-'));
});
afterEach(async () => {
  await world.service?.close();
  await rm(folder, { recursive: true, force: true });
});

const rule = (remediation: RemediationConfig): AlertRuleConfig => ({
  name: 'hot',
  topic: 'metrics.*',
  field: 'data.value',
  above: 90,
  resolveFor: '1s',
  remediation,
});

const script = (code: string): RemediationConfig => ({ command: [process.execPath, '-e', code] });

/** Raises the alert, and waits until its remediation has come to `status`. */
async function remedied(status: SystemAlert['auto_remediation_status']): Promise<SystemAlert[]> {
  await world.tell(95);
  await until(async () => (await world.announced()).at(-1)?.auto_remediation_status === status, status ?? '');
  return world.announced();
}

const statuses = (alerts: readonly SystemAlert[]): unknown[] =>
  alerts.map(({ change, auto_remediation_attempted: attempted, auto_remediation_status: status }) => [
    change,
    attempted,
    status,
  ]);

describe('a command', () => {
  test('[ALERT-4] gets the alert, runs once, and what becomes of it is told', async () => {
    const file = join(folder, 'seen');
    const code = `
      const { env } = process;
      require('node:fs').readFile(0, 'utf8', (_, text) => require('node:fs').appendFileSync(${JSON.stringify(file)},
        JSON.stringify({ alert: JSON.parse(text), id: env.MILLRACE_ALERT_ID, home: env.HOME, secret: env.MILLRACE_AUTH_SECRET }) + '\\n'))`;
    process.env.MILLRACE_AUTH_SECRET = 'a secret that no command may see';
    await world.start([rule({ ...script(code), environment: ['HOME'] })]);
    const alerts = await remedied('succeeded');
    delete process.env.MILLRACE_AUTH_SECRET;
    expect(statuses(alerts)).toEqual([
      ['fired', false, 'pending'],
      ['remediation', true, 'running'],
      ['remediation', true, 'succeeded'],
    ]);
    const lines = (await readFile(file, 'utf8')).trim().split('\n');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      alert: alerts[1],
      id: alerts[0]?.alert_id,
      home: process.env.HOME,
    });
  });

  test.each([
    [script('process.exit(3)'), 'failed', 'exit code 3'],
    [script('process.kill(process.pid, "SIGKILL")'), 'failed', 'ended by SIGKILL'],
    [{ command: ['/no/such/program'] }, 'failed', 'it cannot be started (ENOENT)'],
  ] as [RemediationConfig, 'failed', string][])(
    '%j is said to have %s: %s',
    async (remediation, status, detail) => {
      await world.start([rule(remediation)]);
      expect((await remedied(status)).at(-1)).toMatchObject({ auto_remediation_detail: detail });
    },
  );

  test('no shell reads it', async () => {
    await world.start([rule({ command: ['echo', '; exit 1', '$(false)'] })]);
    await remedied('succeeded');
  });

  test('that does not end in time is ended, with what it started, even when it will not hear', async () => {
    const file = join(folder, 'started');
    const deaf = `process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);`;
    const code = `${deaf} const { pid } = require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(deaf)}], { stdio: 'ignore' });
      require('node:fs').writeFileSync(${JSON.stringify(file)}, String(pid))`;
    await world.start([rule({ ...script(code), timeout: '10s' })]);
    await world.tell(95);
    let started = 0;
    await until(async () => {
      started = Number(await readFile(file, 'utf8').catch(() => ''));
      return started > 0;
    }, 'the command to start another');
    await world.pass(10_000);
    await world.pass(5_000);
    await until(
      async () => (await world.announced()).at(-1)?.auto_remediation_status === 'timed-out',
      'its end',
    );
    await until(() => !isAlive(started), 'the end of what it started');
    expect((await world.announced()).at(-1)).toMatchObject({
      auto_remediation_detail: 'no end within 10000 ms',
    });
  });

  test('is not run for what is over before its turn', async () => {
    const blocked = Array.from({ length: 4 }, (_, i) => ({
      ...rule(script('setInterval(() => {}, 1000)')),
      name: `slow-${i}`,
    }));
    await world.start([...blocked, rule(script(''))]);
    await world.tell(95);
    await world.tell(10);
    await world.pass(3000);
    await world.service?.close();
    const last = new Map((await world.announced()).map((alert) => [alert.source, alert]));
    expect(last.get('hot')).toMatchObject({ state: 'resolved', auto_remediation_status: 'pending' });
    expect(last.get('slow-0')).toMatchObject({ state: 'resolved', auto_remediation_status: 'interrupted' });
    await world.start([...blocked, rule(script(''))]);
    await until(
      async () => (await world.announced()).at(-1)?.auto_remediation_status === 'skipped',
      'the end',
    );
    expect((await world.announced()).at(-1)).toMatchObject({
      auto_remediation_attempted: false,
      source: 'hot',
    });
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('a request', () => {
  let receiver: Server;
  let url: string;
  let received: { headers: IncomingMessage['headers']; body: string }[];
  /** What is answered, in turn; then 204. */
  let answers: (number | 'nothing' | 'hang-up')[];

  beforeEach(async () => {
    received = [];
    answers = [];
    receiver = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (part) => {
        body += part;
      });
      request.on('end', () => {
        received.push({ headers: request.headers, body });
        const answer = answers.shift() ?? 204;
        if (answer === 'hang-up') request.socket.destroy();
        else if (answer !== 'nothing')
          response.writeHead(answer, { location: '/elsewhere' }).end('a secret answer');
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
  });
  afterEach(() => {
    receiver.closeAllConnections();
    receiver.close();
  });

  test('has the alert, and is signed as Standard Webhooks asks for', async () => {
    const key = Buffer.from('a key of twenty-four bytes or more');
    const secret = `whsec_${key.toString('base64')}`;
    await world.start([rule({ url, secret, headers: { authorization: 'Bearer x' } })]);
    const alerts = await remedied('succeeded');
    expect(alerts.at(-1)).toMatchObject({ auto_remediation_detail: 'HTTP 204' });
    expect(received).toHaveLength(1);
    const [{ headers, body } = { headers: {}, body: '' }] = received;
    expect(JSON.parse(body)).toEqual(alerts[1]);
    const id = `${alerts[0]?.alert_id}/remediation`;
    const seconds = String(Math.floor(world.clock.now() / 1000));
    expect(headers).toMatchObject({
      authorization: 'Bearer x',
      'webhook-id': id,
      'webhook-timestamp': seconds,
    });
    expect(headers['webhook-signature']).toBe(
      `v1,${createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')}`,
    );
  });

  test('that fails in a way that may pass is made again, by the same name', async () => {
    answers = [500, 'hang-up', 429];
    await world.start([rule({ url })]);
    await world.tell(95);
    for (const attempt of [1, 2, 3]) {
      await until(() => received.length === attempt, `attempt ${attempt}`);
      await until(
        async () => {
          await world.pass(1000);
          return received.length > attempt;
        },
        `attempt ${attempt + 1}`,
      );
    }
    await until(
      async () => (await world.announced()).at(-1)?.auto_remediation_status === 'succeeded',
      'success',
    );
    expect(new Set(received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(statuses(await world.announced())).toHaveLength(3);
  });

  test.each([
    [400, 'HTTP 400'],
    [307, 'no answer (TypeError)'],
  ] as [number, string][])(
    'answered with %d fails, and nothing that was answered is told',
    async (answer, detail) => {
      answers = [answer, answer];
      await world.start([rule({ url, retries: 0 })]);
      const alerts = await remedied('failed');
      expect(alerts.at(-1)?.auto_remediation_detail).toBe(detail);
      expect(received).toHaveLength(1);
    },
  );

  test('without an answer is given up in time', async () => {
    answers = ['nothing'];
    await world.start([rule({ url, retries: 0, timeout: '5s' })]);
    await world.tell(95);
    await until(() => received.length === 1, 'the request');
    await world.pass(5000);
    await until(
      async () => (await world.announced()).at(-1)?.auto_remediation_status === 'timed-out',
      'the end',
    );
    expect((await world.announced()).at(-1)).toMatchObject({
      auto_remediation_detail: 'no answer within 5000 ms',
    });
  });

  test('under way when the server closes is interrupted, told, and not made again', async () => {
    answers = ['nothing'];
    await world.start([rule({ url })]);
    await world.tell(95);
    await until(() => received.length === 1, 'the request');
    await world.service?.close();
    expect((await world.announced()).at(-1)).toMatchObject({ auto_remediation_status: 'interrupted' });
    await world.start([rule({ url })]);
    await world.course([95, 95]);
    expect(received).toHaveLength(1);
    expect(await world.changes()).toHaveLength(3);
  });
});
