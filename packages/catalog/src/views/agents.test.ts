import type { MillraceEvent } from '@millrace/protocol';
import { expect, test } from 'vitest';
import { type Agents, agentsView } from './agents.ts';

const at = (i: number): string => new Date(Date.UTC(2026) + i * 1000).toISOString();

function boardOf(...events: (readonly [event: string, data: object])[]): Agents['agents'] {
  const board = events.reduce(
    (state, [event, data], i) => agentsView.fold(state, { event, data, timestamp: at(i) } as MillraceEvent),
    agentsView.initial(),
  );
  return board.agents;
}

const figures = { utilization_percent: 70, error_rate: 0.01, tasks_completed_today: 42 };
const status = (agent_id: string, now: string, more: object = {}) =>
  [
    'agent_status',
    { agent_id, agent_name: agent_id, status: now, current_task: null, ...figures, ...more },
  ] as const;

test('says how each agent fares, since when, and what it did last', () => {
  const task = { task_id: 't', task_type: 'search', progress_percent: 5, estimated_completion_seconds: 9 };
  const board = boardOf(
    status('a', 'idle'),
    status('b', 'active', { current_task: task, consciousness_level: 0.9 }),
    status('a', 'idle'),
    ['agent.status.changed', { agent_id: 'a', old_status: 'idle', new_status: 'active' }],
    ['agent.action.completed', { agentId: 'a', action: 'search', result: { hits: 3 } }],
  );
  expect(board).toEqual([
    {
      agent_id: 'a',
      agent_name: 'a',
      status: 'active',
      status_since: at(3),
      current_task: null,
      ...figures,
      last_action: { action: 'search', timestamp: at(4) },
      updated_at: at(4),
    },
    {
      agent_id: 'b',
      agent_name: 'b',
      status: 'active',
      status_since: at(1),
      consciousness_level: 0.9,
      current_task: task,
      ...figures,
      updated_at: at(1),
    },
  ]);
});

test('forgets who was quiet the longest, and stays below a megabyte', () => {
  const many = Array.from({ length: 1000 }, (_, i) => status(`agent-${i}`, 'idle'));
  const board = boardOf(...many, status('agent-0', 'active'), status('new', 'active'));
  expect(board).toHaveLength(1000);
  expect(board.some(({ agent_id }) => agent_id === 'agent-1')).toBe(false);
  expect(board.at(-1)!.agent_id).toBe('new');
  expect(JSON.stringify(board).length).toBeLessThan(1024 * 1024);
});
