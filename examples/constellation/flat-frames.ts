import type { Frame } from './plain-client.ts';

// What the documentation says of the flat frames, field by field, in words of its own: nothing here comes from the catalog.

type Check = (value: unknown) => boolean;

const text: Check = (value) => typeof value === 'string' && value !== '';
const within =
  (low: number, high: number): Check =>
  (value) =>
    typeof value === 'number' && value >= low && value <= high;
const share = within(0, 1);
const percent = within(0, 100);
const count: Check = (value) => Number.isInteger(value) && Number(value) >= 0;
const oneOf =
  (...names: string[]): Check =>
  (value) =>
    names.includes(value as string);
const fields =
  (shape: Readonly<Record<string, Check>>): Check =>
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    Object.keys(value).sort().join() === Object.keys(shape).sort().join() &&
    Object.entries(shape).every(([name, check]) => check((value as Frame)[name]));
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);

const ENVELOPE = { timestamp: (value: unknown) => new Date(String(value)).toISOString() === value };

const SHAPES: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
  consciousness_update: {
    portal_id: text,
    account_id: text,
    metrics: fields({
      consciousness_level: share,
      harmony: share,
      resilience: share,
      prana: share,
      drishti: share,
      klesha: share,
      zoom: share,
    }),
    status: oneOf('healthy', 'degraded', 'critical'),
    uptime_percent: percent,
  },
  agent_status: {
    agent_id: text,
    agent_name: text,
    consciousness_level: share,
    status: oneOf('active', 'idle', 'error'),
    current_task: orNull(
      fields({
        task_id: text,
        task_type: text,
        progress_percent: percent,
        estimated_completion_seconds: within(0, 60),
      }),
    ),
    utilization_percent: percent,
    error_rate: share,
    tasks_completed_today: count,
  },
  workflow_event: {
    workflow_id: text,
    workflow_name: text,
    event_type: oneOf('started', 'step_started', 'step_completed', 'completed', 'failed'),
    step_number: within(1, 6),
    step_name: text,
    status: oneOf('running', 'completed', 'failed'),
    duration_seconds: within(0, 3600),
    result: orNull((value) => typeof value === 'object'),
  },
  system_alert: {
    alert_id: text,
    severity: oneOf('info', 'warning', 'critical'),
    category: oneOf('performance'),
    source: text,
    message: text,
    affected_portals: (value) => Array.isArray(value) && value.length > 0 && value.every(text),
    recommended_action: text,
    auto_remediation_attempted: (value) => typeof value === 'boolean',
    auto_remediation_status: orNull(oneOf('running', 'succeeded')),
  },
};

/** What is wrong with a frame; `undefined` when it is as documented. */
export function findFrameProblem(frame: Frame): string | undefined {
  const shape = SHAPES[String(frame.type)];
  if (shape === undefined) return `unknown type ${String(frame.type)}`;
  const { type: _type, ...rest } = frame;
  const expected: Readonly<Record<string, Check>> = { ...ENVELOPE, ...shape };
  const unknown = Object.keys(rest).filter((name) => !Object.hasOwn(expected, name));
  if (unknown.length > 0) return `fields that nobody documented: ${unknown.join()}`;
  const wrong = Object.entries(expected).find(([name, check]) => !check(rest[name]));
  return wrong === undefined ? undefined : `${wrong[0]} is ${JSON.stringify(rest[wrong[0]])}`;
}
