import { describe, expect, test } from 'vitest';
import { createCatalog } from '../catalog.ts';
import { builtInFamilies } from './index.ts';

/*
 * What clients elsewhere rely on: the names of events, and the fields that are promised of some. An event with just the
 * promised fields is taken, and is refused without any of those that are not optional.
 */

const TASK = {
  task_id: 't',
  task_type: 'summarise',
  progress_percent: 61.5,
  estimated_completion_seconds: 14,
};
const METRICS = {
  consciousness_level: 0.9,
  harmony: 0.8,
  resilience: 0.7,
  prana: 0.6,
  drishti: 0.9,
  klesha: 0.1,
  zoom: 0.5,
};

interface Promised {
  readonly fields: Readonly<Record<string, unknown>>;
  /** May be left out. */
  readonly optional?: Readonly<Record<string, unknown>>;
}

const PROMISED: Readonly<Record<string, Promised>> = {
  'task.progress': {
    fields: { task_id: 't', progress: 40, message: 'm' },
    optional: { task_name: 'T', current_step: 'link', total_steps: 3, eta_seconds: 8 },
  },
  'tool.output': { fields: { execution_id: 'e', output: 'o', is_stderr: false } },
  'tool.completed': { fields: { exit_code: 0, duration_ms: 12 }, optional: { execution_id: 'e' } },
  workflow_event: {
    fields: {
      workflow_id: 'w',
      workflow_name: 'W',
      event_type: 'step_completed',
      step_number: 2,
      step_name: 'Load',
      status: 'running',
      duration_seconds: 12.5,
    },
    // Nothing has come of a step that has just begun.
    optional: { result: { rows: 3 } },
  },
  'scan.finding': { fields: { type: 'xss', severity: 'high', url: 'https://a.example' } },
  agent_status: {
    fields: {
      agent_id: 'a',
      agent_name: 'A',
      status: 'active',
      current_task: TASK,
      utilization_percent: 74,
      error_rate: 0.01,
      tasks_completed_today: 42,
    },
    optional: { consciousness_level: 0.8 },
  },
  'agent.status.changed': { fields: { agent_id: 'a', old_status: 'idle', new_status: 'active' } },
  'agent.action.completed': { fields: { agentId: 'a', action: 'search', result: {} } },
  'system.health.changed': { fields: { severity: 'warning', message: 'm' } },
  agent_update: { fields: { agent_id: 'a', change_type: 'c' }, optional: { status: 'active' } },
  agent_status_change: {
    fields: { agent_id: 'a', old_status: 'idle', new_status: 'active', animation: 'pulse' },
  },
  consciousness_update: {
    fields: {
      portal_id: 'p',
      account_id: 'a',
      metrics: METRICS,
      status: 'healthy',
      uptime_percent: 99.9,
    },
  },
  system_alert: {
    fields: {
      alert_id: 'a',
      severity: 'warning',
      category: 'performance',
      source: 's',
      message: 'm',
      affected_portals: ['p'],
      recommended_action: 'r',
      auto_remediation_attempted: true,
      auto_remediation_status: 'succeeded',
    },
  },
  'transactions.new': {
    fields: { transactionId: 't', amount: -12.5, merchant: 'Café' },
    optional: { category: 'food' },
  },
  'balance.updated': { fields: { accountId: 'a', newBalance: 10, change: -2 } },
  'sync.completed': { fields: { source: 'bank', recordsUpdated: 37 } },
  'stream.end': {
    fields: { stream_id: 's', tokens: 212, duration_ms: 2310, tokens_per_second: 104.2 },
  },
};

/** The other names, of which no fields are promised. */
const NAMES = `task.started task.status task.updated task.assigned task.completed task.failed
  tool.started tool.failed workflow.started workflow.step workflow.progress workflow.completed workflow.failed
  scan.started scan.progress scan.completed project_update task_assignment health_update generic_update
  project.created project.progress.updated project.completed chat.message chat.typing stream.start stream.token
  stream.error user.join user.leave user.status collab.edit collab.cursor collab.comment collab.conflict collab.lock
  system.notification system.error system.maintenance connection.connected connection.disconnected
  connection.heartbeat conflict_detected`.split(/\s+/);

const catalog = createCatalog(builtInFamilies);
const cases = Object.entries(PROMISED);

describe('the events that are promised', () => {
  test('are all there', () => {
    const missing = [...NAMES, ...Object.keys(PROMISED)].filter((name) => !catalog.has(name));
    expect(missing).toEqual([]);
  });

  test.each(cases)(
    '%s is taken with just its fields, and with the optional ones',
    (name, { fields, optional }) => {
      expect(catalog.check(name, fields)).toBeUndefined();
      expect(catalog.check(name, { ...fields, ...optional })).toBeUndefined();
    },
  );

  test.each(cases)('%s is refused without any one of its fields', (name, { fields }) => {
    for (const field of Object.keys(fields)) {
      const { [field]: _, ...rest } = fields;
      expect(catalog.check(name, rest), field).toMatchObject({ path: `/${field}` });
    }
  });

  test.each(['current_task', 'metrics'])('what %s holds is promised too', (field) => {
    const name = field === 'metrics' ? 'consciousness_update' : 'agent_status';
    const fields = PROMISED[name]?.fields ?? {};
    const held = fields[field] as Readonly<Record<string, unknown>>;
    for (const inner of Object.keys(held)) {
      const { [inner]: _, ...rest } = held;
      expect(catalog.check(name, { ...fields, [field]: rest }), inner).toBeDefined();
    }
  });

  test.each([-1, 101, '40'])('progress %s is refused: it is a number from 0 to 100', (progress) => {
    const fields = { ...PROMISED['task.progress']?.fields, progress };
    expect(catalog.check('task.progress', fields)).toMatchObject({ path: '/progress' });
  });

  test.each(['online', 'away', 'idle', 'typing', 'viewing'])('somebody may be %s', (status) => {
    expect(catalog.check('user.status', { user_id: 'ann', status })).toBeUndefined();
  });
});
