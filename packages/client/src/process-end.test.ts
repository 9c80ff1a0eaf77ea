import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { TestServer, until, within } from '@millrace/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

let server: TestServer;
beforeEach(async () => {
  server = await TestServer.start();
});
afterEach(() => server.close());

interface Process {
  readonly exited: Promise<unknown[]>;
  kill(signal: NodeJS.Signals): void;
}

/** Runs a program that tracks a task, `task.a`; resolves when it says so, or is gone. */
async function run(program: string): Promise<Process> {
  const script = `
    import { createClient } from ${JSON.stringify(join(import.meta.dirname, 'index.ts'))};
    const client = createClient({ url: process.env.URL, token: process.env.TOKEN });
    const task = await client.progress({ name: 'Build', id: 'a', totalSteps: 4 });
    const started = () => client.publish('task.b', 'x', 1);
    ${program}`;
  const env = { ...process.env, URL: server.origin, TOKEN: await server.token() };
  const args = ['--conditions=source', '--input-type=module-typescript', '-e', script];
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'ignore'] });
  const exited = once(child, 'exit');
  await within(Promise.race([once(child.stdout, 'data'), exited]), 'the program', 15_000);
  return { exited, kill: (signal) => child.kill(signal) };
}

interface Told {
  readonly event: string;
  readonly sealed?: true;
  readonly data: Record<string, unknown>;
}

async function eventsOf(topic: string): Promise<Told[]> {
  const headers = { authorization: `Bearer ${await server.token()}` };
  const url = `${server.origin}/api/v1/topics/${topic}/events?last`;
  const response = await fetch(url, { headers });
  const { events = [] } = (await response.json()) as { events?: Told[] };
  return events;
}

const lastOf = async (topic: string): Promise<Told | undefined> => (await eventsOf(topic)).at(-1);

describe('a task that is not at its end when the process ends', () => {
  test.each([
    ['process.exit', 'process.exit(3)', [3, null], 'the process ended with exit code 3'],
    ['an uncaught error', "setTimeout(() => { throw new Error('boom') })", [1, null], 'uncaught: boom'],
    ['an unhandled rejection', "void Promise.reject(new Error('boom'))", [1, null], 'uncaught: boom'],
    ['having nothing left to do', 'client.close()', [0, null], 'the process ended with exit code 0'],
  ])('has failed after %s', async (_, how, exit, error) => {
    const { exited } = await run(`task.update(1); await started(); ${how};`);
    expect(await within(exited, 'the exit', 10_000)).toEqual(exit);
    const last = await lastOf('task.a');
    expect(last).toMatchObject({ event: 'task.failed', sealed: true, data: { error, progress: 25 } });
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'has failed after %s, by which it ends',
    async (signal) => {
      const child = await run('task.update(1); await started(); console.log("ready");');
      child.kill(signal);
      expect(await within(child.exited, 'the exit', 10_000)).toEqual([null, signal]);
      const error = `the process was ended by ${signal}`;
      expect(await lastOf('task.a')).toMatchObject({ event: 'task.failed', data: { error, progress: 25 } });
    },
  );

  test('is left to an application that handles the signal itself', async () => {
    const child = await run(`
      process.on('SIGTERM', async () => { await task.complete(); process.exit(0); });
      await started();
      console.log('ready');`);
    child.kill('SIGTERM');
    expect(await within(child.exited, 'the exit', 10_000)).toEqual([0, null]);
    expect(await lastOf('task.a')).toMatchObject({ event: 'task.completed' });
  });

  test('does not keep a process that has signal-exit from ending', async () => {
    const child = await run(`
      const emitter = { count: 1 };
      globalThis[Symbol.for('signal-exit emitter')] = emitter;
      // Ends the process when no others listen, as that package does.
      const polite = () => {
        if (process.listenerCount('SIGTERM') !== emitter.count) return;
        process.off('SIGTERM', polite);
        process.kill(process.pid, 'SIGTERM');
      };
      process.on('SIGTERM', polite);
      await started();
      console.log('ready');`);
    child.kill('SIGTERM');
    expect(await within(child.exited, 'the exit', 10_000)).toEqual([null, 'SIGTERM']);
    expect(await lastOf('task.a')).toMatchObject({ event: 'task.failed' });
  });

  test('is told as completed when it was, and that was on its way', async () => {
    const { exited } = await run('await started(); void task.complete(); process.exit(0);');
    await within(exited, 'the exit', 10_000);
    const ends = (await eventsOf('task.a')).filter(({ sealed }) => sealed);
    expect(ends.map(({ event }) => event)).toEqual(['task.completed']);
  });

  test('is told as it ended where the client was closed before that was stored', async () => {
    const { exited } = await run('await started(); void task.complete(); client.close();');
    await within(exited, 'the exit', 10_000);
    expect(await lastOf('task.a')).toMatchObject({ event: 'task.completed', sealed: true });
  });

  test('does not hold up a process for long whose server is gone', async () => {
    const child = await run(
      'await started(); console.log("ready"); process.on("SIGUSR2", () => process.exit(4));',
    );
    await server.close();
    child.kill('SIGUSR2');
    expect(await within(child.exited, 'the exit', 3000)).toEqual([4, null]);
  });

  test('is left as it stands by SIGKILL: nobody is there to tell', async () => {
    const child = await run('task.update(1); await started(); console.log("ready");');
    child.kill('SIGKILL');
    await within(child.exited, 'the exit', 10_000);
    await until(async () => (await eventsOf('task.a')).length > 0, 'the events');
    expect(await lastOf('task.a')).toMatchObject({ event: 'task.progress' });
  });
});

test('a process without anything unfinished ends as ever', async () => {
  const { exited } = await run('await task.complete(); process.exit(5);');
  expect(await within(exited, 'the exit', 10_000)).toEqual([5, null]);
});
