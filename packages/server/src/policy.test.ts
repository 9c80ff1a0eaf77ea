import type { Priority } from '@millrace/protocol';
import { TestServer } from '@millrace/testkit';
import { expect, test } from 'vitest';

/** Meets the schema of each event below. */
const DATA = { task_id: 'a', workflow_id: 'a', execution_id: 'a', error: 'x', output: 'x', is_stderr: false };

test('[PRIO-1] an event’s priority is its publisher’s, else by its name, else its namespace’s', async () => {
  const server = await TestServer.start({
    priorities: { 'order.lost': 'critical', 'task.failed': 'normal' },
    namespaces: { bulk: { priority: 'low' } },
  });
  const entity = 'priorities';
  const client = await server.connect('/ws', { entity });
  client.send({ type: 'subscribe', topic: '*' });
  await client.next('subscribed');
  const published: [string, string, Priority?][] = [
    ['a.b', 'order.lost'],
    ['a.b', 'task.failed'],
    ['a.b', 'workflow.failed'],
    ['tool.x', 'tool.output'],
    ['bulk.a', 'x'],
    ['bulk.a', 'workflow.failed'],
    ['bulk.a', 'x', 'high'],
    ['a.b', 'x'],
  ];
  const priorities: (string | undefined)[] = [];
  for (const [topic, event, priority] of published) {
    await server.server.publish(topic, event, DATA, { entity, ...(priority && { priority }) });
    priorities.push((await client.next('event')).priority);
  }
  expect(priorities).toEqual(['critical', undefined, 'high', 'low', 'low', 'high', 'high', undefined]);
  client.close();
  await server.close();
});
