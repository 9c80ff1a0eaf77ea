import type { MillraceEvent } from '@millrace/protocol';
import type { View } from '../view.ts';
import { type Fields, fieldsOf, numbers, textOf, texts } from './event-data.ts';

export interface AgentTaskState {
  readonly task_id?: string;
  readonly task_type?: string;
  readonly progress_percent?: number;
  readonly estimated_completion_seconds?: number;
}

/** How one agent fares. */
export interface Agent {
  readonly agent_id: string;
  readonly agent_name?: string;
  readonly status?: string;
  /** When the status changed last, ISO 8601. */
  readonly status_since?: string;
  readonly current_task?: AgentTaskState | null;
  readonly consciousness_level?: number;
  readonly utilization_percent?: number;
  readonly error_rate?: number;
  readonly tasks_completed_today?: number;
  readonly last_action?: { readonly action: string; readonly timestamp: string };
  readonly updated_at: string;
}

/** Agents in the order in which they were first heard of. */
export interface Agents {
  readonly agents: readonly Agent[];
}

/** Some 400 bytes each. */
const MAX_AGENTS = 1000;

/** A board of agents; of the topic of one agent, a board with that one alone. Those that were quiet the longest are forgotten first. */
export const agentsView: View<Agents> = {
  name: 'agents',
  version: 1,
  holdsLog: false,
  initial: () => ({ agents: [] }),
  fold: (state, event) => {
    const data = fieldsOf(event);
    const agent_id = textOf(data.agent_id) ?? textOf(data.agentId);
    // The state is ours.
    if (agent_id !== undefined) renew(state.agents as Agent[], agent_id, event, data);
    return state;
  },
};

function renew(agents: Agent[], agent_id: string, event: MillraceEvent, data: Fields): void {
  const index = agents.findIndex((agent) => agent.agent_id === agent_id);
  const { timestamp } = event;
  const before: Agent = agents[index] ?? { agent_id, updated_at: timestamp };
  const agent = withStatus(before, { ...before, ...changeOf(event, data), updated_at: timestamp });
  if (index !== -1) agents[index] = agent;
  else {
    if (agents.length >= MAX_AGENTS) agents.splice(quietest(agents), 1);
    agents.push(agent);
  }
}

function withStatus(before: Agent, agent: Agent): Agent {
  return agent.status === before.status ? agent : { ...agent, status_since: agent.updated_at };
}

function changeOf({ event, timestamp }: MillraceEvent, data: Fields): Partial<Agent> {
  switch (event) {
    case 'agent_status':
      return {
        ...texts(data, 'agent_name', 'status'),
        ...numbers(data, 'consciousness_level', 'utilization_percent', 'error_rate', 'tasks_completed_today'),
        current_task: taskOf(data.current_task),
      };
    case 'agent.status.changed': {
      const status = textOf(data.new_status);
      return status === undefined ? {} : { status };
    }
    case 'agent.action.completed':
      return { last_action: { action: textOf(data.action) ?? '', timestamp } };
    default:
      return {};
  }
}

function taskOf(value: unknown): AgentTaskState | null {
  if (typeof value !== 'object' || value === null) return null;
  // Its fields are looked at one by one.
  const task = value as Fields;
  return {
    ...texts(task, 'task_id', 'task_type'),
    ...numbers(task, 'progress_percent', 'estimated_completion_seconds'),
  };
}

function quietest(agents: readonly Agent[]): number {
  return agents.reduce(
    (least, agent, i) => (agent.updated_at < (agents[least]?.updated_at ?? '') ? i : least),
    0,
  );
}
