import type { MillraceEvent } from '@millrace/protocol';
import type { BridgeFunction, BridgeRule } from './bridge-rule.ts';

type Fields = Readonly<Record<string, unknown>>;

const isObject = (data: unknown): data is Fields =>
  typeof data === 'object' && data !== null && !Array.isArray(data);

const fieldsOf = ({ data }: MillraceEvent): Fields => (isObject(data) ? data : {});

/** The first of these that is a text, or a number, which becomes one. */
function textOf(...values: readonly unknown[]): string | undefined {
  const value = values.find((each) => (typeof each === 'string' && each !== '') || typeof each === 'number');
  return value === undefined ? undefined : String(value);
}

const agentIdOf = (fields: Fields): string | undefined => textOf(fields.agent_id, fields.agentId);

/** The same data under a name that stands for many, with the name that it had. */
const renamed =
  (event: string): BridgeFunction =>
  ({ event: source_event, data }) => ({
    event,
    data: isObject(data) ? { source_event, ...data } : data,
  });

const agentUpdate: BridgeFunction = (source) => {
  const fields = fieldsOf(source);
  const agent_id = agentIdOf(fields);
  // Of whom it tells nobody could say.
  if (agent_id === undefined) return undefined;
  const status = textOf(fields.status, fields.new_status);
  return { event: 'agent_update', data: { agent_id, status, change_type: source.event } };
};

const agentStatusChange: BridgeFunction = (source) => {
  const fields = fieldsOf(source);
  const agent_id = agentIdOf(fields);
  const new_status = textOf(fields.new_status, fields.status);
  if (agent_id === undefined || new_status === undefined) return undefined;
  return {
    event: 'agent_status_change',
    data: {
      agent_id,
      old_status: textOf(fields.old_status) ?? '',
      new_status,
      timestamp: source.timestamp,
      animation: new_status === 'active' ? 'pulse' : 'fade',
    },
  };
};

const rule = (name: string, event: string, map: BridgeFunction): BridgeRule => ({
  name,
  events: [event],
  topics: ['*'],
  takesMapped: false,
  takesOthers: false,
  map,
});

/**
 * What observers are shown of agents, projects, tasks and the system's health. Where clients expect `{type, timestamp, data}`, type and
 * timestamp are those of the event itself, as every door writes them.
 */
export const BUILT_IN_BRIDGE_RULES: readonly BridgeRule[] = [
  rule('agent_update', 'agent.*', agentUpdate),
  rule('agent_status_change', 'agent.status.changed', agentStatusChange),
  rule('project_update', 'project.*', renamed('project_update')),
  rule('task_assignment', 'task.assigned', ({ data }) => ({ event: 'task_assignment', data })),
  rule('health_update', 'system.health.changed', renamed('health_update')),
];

/** What the configuration wants to be shown beside that: events of these names that no other rule takes. */
export function genericRule(events: readonly string[]): BridgeRule {
  return { ...rule('generic_update', '', renamed('generic_update')), events, takesOthers: true };
}
