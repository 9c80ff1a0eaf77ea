import type { MillraceEvent } from '@millrace/protocol';
import { expect, test } from 'vitest';
import { type Task, taskView } from './task.ts';

const at = (i: number): string => `2026-01-01T00:00:0${i}.000Z`;

function taskOf(...events: (readonly [event: string, data: unknown])[]): Task {
  return events.reduce(
    (task, [event, data], i) => taskView.fold(task, { event, data, timestamp: at(i) } as MillraceEvent),
    taskView.initial(),
  );
}

const started = ['task.started', { task_id: 'a', task_name: 'Build', total_steps: 4 }] as const;
const progress = [
  'task.progress',
  { task_id: 'a', progress: 25, message: 'Compiling', current_step: 'Compile', eta_seconds: 9 },
] as const;

test('a task without events is pending', () => {
  expect(taskOf()).toEqual({ status: 'pending', progress: 0 });
});

test('says where the task stands, and keeps what is not said anew', () => {
  const task = taskOf(started, progress, ['task.progress', { task_id: 'a', progress: 50 }]);
  expect(task).toEqual({
    task_id: 'a',
    task_name: 'Build',
    status: 'running',
    progress: 50,
    message: 'Compiling',
    current_step: 'Compile',
    total_steps: 4,
    started_at: at(0),
    updated_at: at(2),
  });
  expect(taskOf(started, progress).eta_seconds).toBe(9);
});

test('says how it ended', () => {
  const completed = taskOf(started, progress, [
    'task.completed',
    { task_id: 'a', result: 7, duration_ms: 12 },
  ]);
  expect(completed).toMatchObject({ status: 'completed', progress: 100, result: 7, duration_ms: 12 });
  expect(completed).not.toHaveProperty('eta_seconds');
  const failed = taskOf(started, progress, [
    'task.failed',
    { task_id: 'a', error: 'disk full', progress: 30 },
  ]);
  expect(failed).toMatchObject({ status: 'failed', progress: 30, error: 'disk full' });
});

test('says what the application calls its status, and who has it', () => {
  const task = taskOf(
    ['task.assigned', { task_id: 'a', assignee: 'ann' }],
    ['task.status', { task_id: 'a', status: 'blocked', message: 'waits for review' }],
  );
  expect(task).toMatchObject({ assignee: 'ann', status: 'blocked', message: 'waits for review' });
});

test('another task begins anew, and what has no fields says nothing', () => {
  const task = taskOf(started, progress, ['task.updated', { task_id: 'b' }], ['task.progress', null]);
  expect(task).toEqual({ task_id: 'b', status: 'running', progress: 0, updated_at: at(3) });
});
