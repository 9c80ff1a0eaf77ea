import { builtInFamilies, createCatalog } from '@millrace/catalog';
import { afterEach, describe, expect, test } from 'vitest';
import { type Started, startClient } from '../../test/start-client.ts';
import type { ProgressOptions, TaskTracker } from './tracker-types.ts';

const catalog = createCatalog(builtInFamilies);
let started: Started;

/** What was stored on a topic: names and data without what every event has. Each fits the catalog. */
function stored(topic: string): [event: string, data: Record<string, unknown>][] {
  return started.server.eventsOf(topic).map(({ event, data }) => {
    expect(catalog.check(event, data)).toBeUndefined();
    const { task_id, task_name, scan_id, workflow_id, workflow_name, producedAt, duration_ms, ...rest } =
      data as Record<string, unknown>;
    return [event, rest];
  });
}

/** Starts a tracker: its code is loaded, and its events are stored. */
async function start<Tracker>(make: (client: Started['client']) => Promise<Tracker>): Promise<Tracker> {
  started = startClient();
  const tracker = await make(started.client);
  await started.platform.flush();
  return tracker;
}

const startTask = (options: Partial<ProgressOptions> = {}): Promise<TaskTracker> =>
  start((client) => client.progress({ name: 'Build', id: 'a', ...options }));

/** The percentages that were told. */
const told = (topic = 'task.a'): unknown[] =>
  stored(topic).flatMap(([event, { progress }]) => (event.endsWith('.progress') ? [progress] : []));

afterEach(() => started.client.close());

describe('a task', () => {
  test('tells its start, where it stands, and its end, which seals the topic', async () => {
    const task = await startTask({ totalSteps: 4, parentId: 'nightly' });
    task.update(1, { currentStep: 'Compile', message: '12 files' });
    await started.platform.advance(1000);
    await task.step('Link', async (step) => {
      step.update(50);
      await started.platform.advance(1000);
    });
    await started.platform.advance(1000);
    const completed = task.complete({ result: { artifacts: 3 } });
    await started.platform.flush();
    await completed;
    const common = { message: '12 files', total_steps: 4 };
    expect(stored('task.a')).toEqual([
      ['task.started', { parent_id: 'nightly', total_steps: 4 }],
      ['task.progress', { ...common, progress: 25, current_step: 'Compile' }],
      ['task.progress', { ...common, progress: 25, current_step: 'Link', eta_seconds: 3 }],
      ['task.progress', { ...common, progress: 37.5, current_step: 'Link', eta_seconds: 2 }],
      ['task.progress', { ...common, progress: 50, current_step: 'Compile', eta_seconds: 2 }],
      ['task.progress', { ...common, progress: 100, current_step: 'Compile', eta_seconds: 0 }],
      ['task.completed', { result: { artifacts: 3 } }],
    ]);
    expect(started.server.eventsOf('task.a').map(({ sealed }) => sealed === true)).toEqual([
      ...Array<boolean>(6).fill(false),
      true,
    ]);
  });

  test('tells at most ten updates a second, no fractions of a percent, and always the newest', async () => {
    const task = await startTask({ totalSteps: 10_000 });
    for (let i = 1; i <= 1000; i++) {
      task.update(i);
      await started.platform.advance(1);
    }
    const { length } = told();
    expect(length).toBeLessThanOrEqual(11);
    expect(length).toBeGreaterThanOrEqual(8);
    await started.platform.advance(5000);
    expect(told().at(-1)).toBe(10);
    task.update(1001);
    await started.platform.advance(900);
    task.update(1002);
    await started.platform.advance(1000);
    expect(told().slice(length - 1).length).toBeLessThanOrEqual(4);
    expect(task.progress).toBe(10);
  });

  test('is at 100 at once, and not before all is done', async () => {
    const task = await startTask({ totalSteps: 3000 });
    task.update(1);
    task.update(2999);
    await started.platform.advance(100);
    expect(told()).toEqual([0, 99.9]);
    task.update(3000);
    await started.platform.flush();
    expect(told()).toEqual([0, 99.9, 100]);
  });

  test('counts steps within steps by their share', async () => {
    const task = await startTask({ totalSteps: 4 });
    const big = task.step({ name: 'Tests', totalSteps: 10, share: 2 });
    expect(task.progress).toBe(0);
    big.update(5);
    expect(task.progress).toBe(25);
    const inner = big.step({ name: 'Slow one', totalSteps: 4 });
    inner.update(2);
    expect(task.progress).toBe(27.5);
    await started.platform.advance(100);
    expect(stored('task.a').at(-1)![1]).toMatchObject({ current_step: 'Tests › Slow one', progress: 27.5 });
    inner.complete();
    expect(task.progress).toBe(30);
    const beside = task.step('Docs');
    beside.update(50);
    expect(task.progress).toBe(42.5);
    big.complete();
    beside.complete();
    beside.complete();
    beside.update(10);
    expect(task.progress).toBe(75);
    {
      using _ = task.step('Package');
    }
    expect(task.progress).toBe(100);
  });

  test('of a step that throws counts what it did, and the error is passed on', async () => {
    const task = await startTask({ totalSteps: 2 });
    const run = task.step('Compile', (step) => {
      step.update(40);
      throw new Error('syntax');
    });
    await expect(run).rejects.toThrow('syntax');
    expect(task.progress).toBe(20);
  });

  test('without steps it counts in percent', async () => {
    const task = await startTask();
    task.update(12.34, { message: 'a' });
    await started.platform.flush();
    expect(stored('task.a').at(-1)).toEqual(['task.progress', { progress: 12.3, message: 'a' }]);
  });

  test('refuses what cannot be counted, and ids that are no topic', async () => {
    const task = await startTask();
    for (const done of [Number.NaN, -1, Infinity]) expect(() => task.update(done)).toThrow(TypeError);
    for (const totalSteps of [0, -1, 1.5]) expect(() => task.update(1, { totalSteps })).toThrow(TypeError);
    const { client } = started;
    await expect(client.progress({ name: 'x', totalSteps: 0 })).rejects.toThrow(TypeError);
    const updates = { maxPerSecond: 0 };
    await expect(client.progress({ name: 'x', updates })).rejects.toThrow(TypeError);
    await expect(client.progress({ name: 'x', id: 'a.b' })).rejects.toThrow(TypeError);
    await expect(client.progress({ name: 'x', id: 'a b' })).rejects.toMatchObject({ code: 'bad-topic' });
  });

  test('while the server is away its newest state waits, not all that came before', async () => {
    const task = await startTask({ totalSteps: 100 });
    started.server.stop();
    for (let i = 1; i <= 50; i++) {
      task.update(i);
      await started.platform.advance(100);
    }
    started.server.start();
    await started.platform.advance(3000);
    expect(told()).toEqual([1, 50]);
  });

  test('what was sent and not answered is stored once', async () => {
    const task = await startTask({ totalSteps: 2 });
    started.server.mute = true;
    task.update(1);
    void task.complete();
    await started.platform.flush();
    started.server.mute = false;
    started.server.cutAll();
    await started.platform.advance(3000);
    expect(stored('task.a').map(([event]) => event)).toEqual([
      'task.started',
      'task.progress',
      'task.progress',
      'task.completed',
    ]);
  });

  test('a refusal is reported, and thrown only where it is waited for', async () => {
    const task = await startTask();
    for (const percent of [50, 60, 70]) {
      started.server.refusals.push({ code: 'forbidden' });
      task.update(percent);
      await started.platform.advance(100);
    }
    expect(started.errors).toEqual(['forbidden']);
    started.server.refusals.push({ code: 'forbidden' }, { code: 'sealed' });
    const completed = expect(task.complete()).rejects.toMatchObject({ code: 'sealed' });
    await started.platform.flush();
    await completed;
  });
});

test('a task whose result cannot be told may end without it; an error is told as far as it fits', async () => {
  const task = await startTask();
  const result = 'x'.repeat(100_000);
  await expect(task.complete({ result })).rejects.toMatchObject({ code: 'too-large' });
  void task.fail(new Error('€'.repeat(50_000)));
  await started.platform.flush();
  const [event, { error }] = stored('task.a').at(-1)!;
  expect([event, String(error).length]).toEqual(['task.failed', 4096]);
});

describe('a task that runs as long as a function', () => {
  const run = (work: (task: TaskTracker) => unknown): Promise<unknown> => {
    started = startClient();
    const result = started.client.progress({ name: 'Build', id: 'a', totalSteps: 2 }, work);
    result.catch(() => {});
    return result;
  };

  async function settle(): Promise<void> {
    for (let i = 0; i < 10; i++) await started.platform.flush();
  }

  test('is completed when that returns, and gives what it returns', async () => {
    const result = run((task) => {
      task.update(1);
      return 7;
    });
    await settle();
    expect(await result).toBe(7);
    expect(stored('task.a').at(-1)).toEqual(['task.completed', {}]);
  });

  test('fails with the error that is thrown, which is passed on', async () => {
    const result = run((task) => {
      task.update(1);
      throw new RangeError('disk full');
    });
    await settle();
    await expect(result).rejects.toThrow(RangeError);
    expect(stored('task.a').at(-1)).toEqual(['task.failed', { error: 'disk full', progress: 50 }]);
  });

  test('ends as the function said itself', async () => {
    const result = run(async (task) => {
      await task.fail('not today');
      task.update(2);
    });
    await settle();
    await result;
    expect(stored('task.a').map(([event]) => event)).toEqual(['task.started', 'task.failed']);
  });

  test('does not wait long for a server that is away, and is told when that is back', async () => {
    const result = run(() => 7);
    started.server.stop();
    let done = false;
    void result.then(() => {
      done = true;
    });
    await settle();
    expect(done).toBe(false);
    await started.platform.advance(5000);
    expect(done).toBe(true);
    started.server.start();
    await started.platform.advance(3000);
    expect(stored('task.a').at(-1)).toEqual(['task.completed', {}]);
  });
});

describe('a task in a scope', () => {
  async function inScope(work: (task: TaskTracker) => unknown): Promise<unknown> {
    const leave = (async () => {
      await using task = await startTask({ totalSteps: 2 });
      await work(task);
    })();
    leave.catch(() => {});
    for (let i = 0; i < 10; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      await started.platform.flush();
    }
    return leave.catch((error: Error) => error.message);
  }

  test('is completed when all of its steps were done', async () => {
    await inScope((task) => task.update(2));
    expect(stored('task.a').at(-1)).toEqual(['task.completed', {}]);
  });

  test('is completed when it says so', async () => {
    await inScope((task) => task.complete());
    expect(stored('task.a').at(-1)).toEqual(['task.completed', {}]);
  });

  test('has failed when the scope is left before, by an exception or not', async () => {
    const thrown = await inScope((task) => {
      task.update(1);
      throw new Error('disk full');
    });
    expect(thrown).toBe('disk full');
    const error = 'its scope was left at 50 %, without complete()';
    expect(stored('task.a').at(-1)).toEqual(['task.failed', { error, progress: 50 }]);
    await inScope((task) => task.update(1));
    expect(stored('task.a').at(-1)![0]).toBe('task.failed');
  });
});

test('a scan tells each of its findings, and how many there were', async () => {
  const scan = await start((client) => client.scan({ target: 'shop.example', id: 's', total: 10 }));
  scan.update(5, { message: '/checkout' });
  const findings = ['a', 'b'].map((url) => scan.finding({ type: 'xss', severity: 'high', url, line: 7 }));
  await started.platform.flush();
  expect((await Promise.all(findings)).map(({ offset }) => offset)).toEqual([3, 4]);
  void scan.complete();
  await started.platform.flush();
  expect(stored('scan.s')).toEqual([
    ['scan.started', { target: 'shop.example', total: 10 }],
    ['scan.progress', { progress: 50, findings: 0, message: '/checkout' }],
    ['scan.finding', { type: 'xss', severity: 'high', url: 'a', line: 7 }],
    ['scan.finding', { type: 'xss', severity: 'high', url: 'b', line: 7 }],
    ['scan.progress', { progress: 100, findings: 2, message: '/checkout', eta_seconds: 0 }],
    ['scan.completed', { findings: 2 }],
  ]);
});

test('a scan loses none of its findings, however many there are at once, and while the server is away', async () => {
  const scan = await start((client) => client.scan({ target: 'shop.example', id: 's' }));
  started.server.stop();
  for (let i = 0; i < 3000; i++) void scan.finding({ type: 'xss', severity: 'low', url: `/${i}` });
  void scan.complete();
  started.server.start();
  await started.platform.advance(20_000);
  const urls = stored('scan.s').flatMap(([event, { url }]) => (event === 'scan.finding' ? [url] : []));
  expect(urls).toEqual(Array.from({ length: 3000 }, (_, i) => `/${i}`));
  expect(stored('scan.s').at(-1)).toEqual(['scan.completed', { findings: 3000 }]);
  expect(started.errors.filter((code) => code === 'overloaded')).toEqual([]);
});

test('a scan that cannot finish says why', async () => {
  const scan = await start((client) => client.scan({ target: 'shop.example', id: 's' }));
  void scan.fail(new Error('no route to host'));
  await started.platform.flush();
  expect(stored('scan.s').at(-1)).toEqual(['scan.completed', { findings: 0, error: 'no route to host' }]);
});

describe('a workflow', () => {
  test('tells each step as it begins and ends', async () => {
    const flow = await start((client) =>
      client.workflow({ name: 'Import', id: 'w', steps: ['Fetch', 'Load', 'Check', 'Publish'] }),
    );
    const fetched = flow.step('Fetch');
    await started.platform.advance(2000);
    fetched.complete({ rows: 3 });
    expect(flow.progress).toBe(25);
    flow.step('Load').skip();
    expect(flow.progress).toBe(50);
    const failing = flow.step('Check', () => {
      throw new Error('empty');
    });
    await expect(failing).rejects.toThrow('empty');
    void flow.fail(new Error('empty'));
    await started.platform.advance(1000);
    const steps = stored('workflow.w').filter(([event]) => event !== 'workflow.progress');
    expect(steps).toEqual([
      ['workflow.started', { total_steps: 4 }],
      ['workflow.step', { step_number: 1, step_name: 'Fetch', status: 'running' }],
      [
        'workflow.step',
        { step_number: 1, step_name: 'Fetch', status: 'completed', duration_seconds: 2, result: { rows: 3 } },
      ],
      ['workflow.step', { step_number: 2, step_name: 'Load', status: 'running' }],
      ['workflow.step', { step_number: 2, step_name: 'Load', status: 'skipped', duration_seconds: 0 }],
      ['workflow.step', { step_number: 3, step_name: 'Check', status: 'running' }],
      [
        'workflow.step',
        {
          step_number: 3,
          step_name: 'Check',
          status: 'failed',
          duration_seconds: 0,
          result: { error: 'empty' },
        },
      ],
      ['workflow.failed', { error: 'empty', step_number: 3, duration_seconds: 2 }],
    ]);
    expect(told('workflow.w').at(-1)).toBe(50);
  });

  test('shares a board with others, where each event says all', async () => {
    const flow = await start((client) => client.workflow({ name: 'Import', id: 'w', steps: 2, board: true }));
    await flow.step('Fetch', (step) => step.complete({ rows: 3 }));
    await flow.step('Load', () => {});
    void flow.complete({ rows: 3 });
    await started.platform.flush();
    const sent = started.platform.socket.messages.filter(({ topic }) => topic === 'workflows.execution');
    expect(sent.map(({ key }) => key)).toEqual(Array<string>(6).fill('w'));
    expect(stored('workflows.execution').map(([, data]) => data)).toMatchObject([
      { event_type: 'started', step_number: 0, step_name: '', status: 'running' },
      { event_type: 'step_started', step_number: 1, step_name: 'Fetch', status: 'running' },
      { event_type: 'step_completed', step_number: 1, status: 'running', result: { rows: 3 } },
      { event_type: 'step_started', step_number: 2, step_name: 'Load', status: 'running' },
      { event_type: 'step_completed', step_number: 2, status: 'running' },
      { event_type: 'completed', step_number: 2, status: 'completed', result: { rows: 3 } },
    ]);
    expect(told('workflow.w')).toEqual([50, 100]);
  });
});

describe('an agent', () => {
  test('tells its status with what it said before, each change of it, and its actions', async () => {
    const agent = await start((client) => client.agent({ agentId: 'r', agentName: 'Researcher' }));
    const currentTask = {
      taskId: 't',
      taskType: 'search',
      progressPercent: 10,
      estimatedCompletionSeconds: 9,
    };
    agent.status({ status: 'active', currentTask, utilizationPercent: 70 });
    await started.platform.flush();
    agent.status('idle');
    agent.status({ currentTask: null });
    const done = agent.action('search', { hits: 3 });
    await started.platform.flush();
    await done;
    const common = { agent_id: 'r', agent_name: 'Researcher', error_rate: 0, tasks_completed_today: 0 };
    const task = {
      task_id: 't',
      task_type: 'search',
      progress_percent: 10,
      estimated_completion_seconds: 9,
    };
    expect(stored('agents.status')).toEqual([
      ['agent_status', { ...common, status: 'active', current_task: task, utilization_percent: 70 }],
      ['agent.status.changed', { agent_id: 'r', old_status: 'active', new_status: 'idle' }],
      ['agent_status', { ...common, status: 'idle', current_task: task, utilization_percent: 70 }],
      ['agent.action.completed', { agentId: 'r', action: 'search', result: { hits: 3 } }],
      ['agent_status', { ...common, status: 'idle', current_task: null, utilization_percent: 70 }],
    ]);
  });

  test('while the server is away only its newest status waits', async () => {
    const agent = await start((client) => client.agent({ agentId: 'r', agentName: 'Researcher' }));
    started.server.stop();
    for (let i = 0; i < 100; i++) {
      agent.status({ status: 'active', utilizationPercent: i });
      await started.platform.advance(100);
    }
    started.server.start();
    await started.platform.advance(3000);
    const told = stored('agents.status').map(([, { utilization_percent }]) => utilization_percent);
    expect(told).toEqual([0, 99]);
  });
});
