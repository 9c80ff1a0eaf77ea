import type { MillraceEvent } from '@millrace/protocol';
import { expect, test } from 'vitest';
import { type Workflows, workflowsView } from './workflows.ts';

const timestamp = '2026-01-01T00:00:00.000Z';

function boardOf(...events: (readonly [event: string, data: object])[]): Workflows['workflows'] {
  const board = events.reduce(
    (state, [event, data]) => workflowsView.fold(state, { event, data, timestamp } as MillraceEvent),
    workflowsView.initial(),
  );
  return board.workflows;
}

const step = (step_number: number, status: string, more: object = {}) =>
  [
    'workflow.step',
    { workflow_id: 'w', step_number, step_name: `Step ${step_number}`, status, ...more },
  ] as const;

const flat = (workflow_id: string, event_type: string, status: string, step_number = 0) =>
  [
    'workflow_event',
    {
      workflow_id,
      workflow_name: 'Import',
      event_type,
      step_number,
      step_name: 'Load',
      status,
      duration_seconds: 2,
    },
  ] as const;

test('says how a workflow and its steps stand', () => {
  const board = boardOf(
    ['workflow.started', { workflow_id: 'w', workflow_name: 'Import', total_steps: 2 }],
    step(1, 'running'),
    step(1, 'completed', { duration_seconds: 3 }),
    step(2, 'running'),
    ['workflow.progress', { workflow_id: 'w', progress: 50, message: 'Loading' }],
  );
  const common = { workflow_id: 'w', workflow_name: 'Import', started_at: timestamp, updated_at: timestamp };
  const steps = [
    { step_number: 1, step_name: 'Step 1', status: 'completed', duration_seconds: 3 },
    { step_number: 2, step_name: 'Step 2', status: 'running' },
  ];
  expect(board).toEqual([
    { ...common, status: 'running', progress: 50, message: 'Loading', total_steps: 2, steps },
  ]);
});

test('says how it ended', () => {
  const [completed] = boardOf(['workflow.completed', { workflow_id: 'w', duration_seconds: 9 }]);
  expect(completed).toMatchObject({ status: 'completed', progress: 100, duration_seconds: 9 });
  const [failed] = boardOf(['workflow.failed', { workflow_id: 'w', error: 'empty', step_number: 2 }]);
  expect(failed).toMatchObject({ status: 'failed', error: 'empty' });
});

test('reads the flat form alike', () => {
  const board = boardOf(
    flat('a', 'started', 'running'),
    flat('b', 'started', 'running'),
    flat('a', 'step_started', 'running', 1),
    flat('a', 'step_completed', 'running', 1),
    flat('a', 'completed', 'completed', 1),
  );
  expect(board.map(({ workflow_id, status }) => [workflow_id, status])).toEqual([
    ['a', 'completed'],
    ['b', 'running'],
  ]);
  expect(board[0]!.steps).toEqual([
    { step_number: 1, step_name: 'Load', status: 'completed', duration_seconds: 2 },
  ]);
});

test('forgets what has ended first, and stays below a megabyte', () => {
  const begun = Array.from({ length: 300 }, (_, i) => flat(`w${i}`, 'started', 'running'));
  const long = Array.from({ length: 40 }, (_, i) =>
    Array.from({ length: 300 }, (_, w) => flat(`w${w}`, 'step_completed', 'running', i)),
  ).flat();
  const board = boardOf(...begun, ...long, flat('w7', 'failed', 'failed'), flat('new', 'started', 'running'));
  expect(board).toHaveLength(300);
  expect(board.some(({ workflow_id }) => workflow_id === 'w7')).toBe(false);
  expect(board.at(-1)!.workflow_id).toBe('new');
  expect(board[0]!.steps).toHaveLength(20);
  expect(JSON.stringify(board).length).toBeLessThan(1024 * 1024);
  expect(boardOf(...begun, flat('new', 'started', 'running'))[0]!.workflow_id).toBe('w1');
});
