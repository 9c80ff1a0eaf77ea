import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { agentsView, scanView, taskView, workflowsView } from '@millrace/catalog/views';
import { signToken, systemClock } from '@millrace/server';
import { TEST_SECRET, TestServer, until, within } from '@millrace/testkit';
import { afterEach, expect, test } from 'vitest';
import { CuttableProxy } from '../test/cuttable-proxy.ts';
import { ServerProcess } from '../test/server-process.ts';
import { createClient } from './client.ts';
import type { Client, ClientOptions, Snapshot } from './types.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function startServer(): Promise<TestServer> {
  const server = await TestServer.start();
  ends.push(() => server.close());
  return server;
}

function clientOf(url: string, options: Partial<ClientOptions> = {}): Client {
  const key = { alg: 'HS256', secret: TEST_SECRET } as const;
  const token = () =>
    signToken({ key, userId: 'tester', roles: ['admin'], ttlMs: 600_000, clock: systemClock });
  const client = createClient({ url, token, ...options });
  ends.push(() => client.close());
  return client;
}

async function temporaryFolder(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-views-'));
  ends.push(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

const transports = ['websocket', 'sse'] as const;

test.each(transports)(
  '[VIEW-1] over %s who comes late has the state at once, and then what changes',
  async (transport) => {
    const server = await startServer();
    const task = await clientOf(server.origin).progress({ name: 'Build', id: 'a', totalSteps: 4 });
    task.update(1, { currentStep: 'Compile', message: '12 files' });
    const late = clientOf(server.origin, { transport });
    const changes: number[] = [];
    const view = late.view('task.a', taskView);
    view.on('change', ({ progress }) => changes.push(progress));
    await until(() => view.state?.progress === 25, 'the state');
    const common = { task_id: 'a', task_name: 'Build', total_steps: 4 };
    expect(view.state).toMatchObject({
      ...common,
      status: 'running',
      current_step: 'Compile',
      message: '12 files',
    });
    task.update(2);
    await until(() => view.state?.progress === 50, 'the next state');
    await task.complete({ result: { artifacts: 3 } });
    await until(() => view.closed, 'the end');
    expect(view.state).toMatchObject({
      ...common,
      status: 'completed',
      progress: 100,
      result: { artifacts: 3 },
    });
    expect([view.sealed, changes.at(-1)]).toEqual([true, 100]);
  },
);

test.each(transports)(
  '[VIEW-3] over %s a pattern gives the states of all, then what follows',
  async (transport) => {
    const server = await startServer();
    const publisher = clientOf(server.origin);
    for (const id of ['a', 'b', 'c']) await publisher.progress({ name: id, id }, (task) => task.update(100));
    const running = await publisher.progress({ name: 'd', id: 'd' });
    running.update(10);
    await until(async () => (await head(server, 'task.d')) === 2, 'the progress');
    const snapshots: Snapshot[] = [];
    const events: string[] = [];
    const subscription = clientOf(server.origin, { transport }).topic('task.*', { since: 'snapshot' });
    subscription.on('snapshot', (snapshot) => snapshots.push(snapshot));
    subscription.on('event', ({ topic, event }) => events.push(`${topic} ${event}`));
    await until(() => snapshots.length === 4, 'the states');
    const states = snapshots.map(({ topic, state }) => [topic, (state as { status: string }).status]);
    expect(Object.fromEntries(states)).toEqual({
      'task.a': 'completed',
      'task.b': 'completed',
      'task.c': 'completed',
      'task.d': 'running',
    });
    expect(events).toEqual([]);
    await running.complete();
    await until(() => events.includes('task.d task.completed'), 'the end');
    await publisher.progress({ name: 'e', id: 'e' });
    await until(() => events.includes('task.e task.started'), 'a topic that is new');
  },
);

test.each(transports)('[VIEW-2] [VIEW-3] over %s what is still empty begins, too', async (transport) => {
  const server = await startServer();
  const client = clientOf(server.origin, { transport });
  const events: string[] = [];
  const all = client.topic('task.*', { since: 'snapshot' });
  all.on('event', ({ event }) => events.push(event));
  const subscribed = new Promise((resolve) => all.on('subscribed', resolve));
  const view = client.view('task.a', taskView);
  await within(subscribed, 'the answer to the pattern');
  await until(() => view.state !== undefined, 'the initial state');
  expect(view.state).toEqual(taskView.initial());
  await clientOf(server.origin).progress({ name: 'Build', id: 'a' }, () => {});
  await until(() => view.closed && events.includes('task.completed'), 'the end');
  expect(view.state?.status).toBe('completed');
  expect(events).toEqual(['task.started', 'task.progress', 'task.completed']);
});

async function head(server: TestServer, topic: string): Promise<number> {
  const headers = { authorization: `Bearer ${await server.token()}` };
  const response = await fetch(`${server.origin}/api/v1/topics/${topic}/events?last`, { headers });
  const { events = [] } = (await response.json()) as { events?: { offset: number }[] };
  return events.at(-1)?.offset ?? 0;
}

test.each(transports)(
  '[REC-1] [PUB-2] over %s a server that is killed and comes back mid-task costs nothing',
  async (transport) => {
    const directory = await temporaryFolder();
    let server = await ServerProcess.start(directory, TEST_SECRET);
    ends.push(() => server.kill());
    const proxy = await CuttableProxy.start(server.port);
    ends.push(() => proxy.close());
    const [publisher, viewer] = [clientOf(proxy.url), clientOf(proxy.url, { transport })];
    const progress: number[] = [];
    const view = viewer.view('task.a', taskView);
    view.on('change', (state) => progress.push(state.progress));
    const work = publisher.progress({ name: 'Build', id: 'a', totalSteps: 200 }, async (task) => {
      for (let done = 1; done <= 200; done++) {
        task.update(done, { currentStep: `file ${done}` });
        if (done === 50) await until(() => (view.state?.progress ?? 0) > 10, 'the viewer to see it', 10_000);
        if (done === 100) {
          await server.kill();
          server = await ServerProcess.start(directory, TEST_SECRET);
          proxy.target = server.port;
        }
      }
      return 'built';
    });
    expect(await within(work, 'the task', 20_000)).toBe('built');
    await until(() => view.closed, 'the end', 10_000);
    expect(view.state).toMatchObject({ status: 'completed', progress: 100, current_step: 'file 200' });
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    const again = clientOf(proxy.url).view('task.a', taskView);
    await until(() => again.closed, 'the state of who comes late');
    expect(again.state).toEqual(view.state);
  },
);

test('[VIEW-1] [REC-1] what is folded here is what is folded there, across cuts, for all of the families', async () => {
  const server = await startServer();
  const proxy = await CuttableProxy.start(server.listening.port);
  ends.push(() => proxy.close());
  const [publisher, viewer] = [clientOf(server.origin), clientOf(proxy.url)];
  const agent = await publisher.agent({ agentId: 'r', agentName: 'Researcher' });
  const flow = await publisher.workflow({ name: 'Import', id: 'w', steps: 30, board: true });
  const scan = await publisher.scan({ target: 'shop.example', id: 's', total: 30 });
  const views = [
    viewer.view('agents.status', agentsView),
    viewer.view('workflow.w', workflowsView),
    viewer.view('workflows.execution', workflowsView),
    viewer.view('scan.s', scanView),
  ];
  for (let i = 1; i <= 30; i++) {
    agent.status({ status: i % 2 === 0 ? 'active' : 'idle', utilizationPercent: i });
    await agent.action(`search ${i}`);
    await flow.step(`step ${i}`, () => scan.update(i));
    await scan.finding({ type: 'xss', severity: 'high', url: `/${i}` });
    if (i % 10 === 0) proxy.cut();
  }
  await Promise.all([flow.complete(), scan.complete()]);
  for (const view of views) {
    const end = await head(server, view.topic);
    await until(() => view.position?.endsWith(`:${end}`) === true, `all of ${view.topic}`, 10_000);
    const headers = { authorization: `Bearer ${await server.token()}` };
    const response = await fetch(`${server.origin}/api/v1/topics/${view.topic}/snapshot`, { headers });
    const { state } = (await response.json()) as Snapshot;
    expect(view.state).toEqual(state);
  }
});
