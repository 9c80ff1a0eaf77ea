import Type from 'typebox';
import { eventFamily } from '../event-family.ts';
import { eventType } from '../event-type.ts';
import { agentsView } from '../views/agents.ts';
import { count, id, percent, text } from './fields.ts';

export const agentFamily = eventFamily({
  name: 'agent',
  description: 'Agents: what each is, how it fares, and what it does.',
  topics: ['agents.*', 'agent.*'],
  view: agentsView,
  events: [
    eventType({
      name: 'agent_status',
      description: 'How an agent fares now, several times a second.',
      data: Type.Object({
        agent_id: id('The agent.'),
        agent_name: text('What people call it.'),
        consciousness_level: Type.Optional(
          Type.Number({ description: 'A figure of its own, where it has one.' }),
        ),
        status: text('`active`, `idle`, `busy`, `error`, `offline`.'),
        current_task: Type.Union(
          [
            Type.Object({
              task_id: id('The task.'),
              task_type: text('What kind of task.'),
              progress_percent: percent('How much is done, 0–100.'),
              estimated_completion_seconds: Type.Number({ minimum: 0, description: 'Time left.' }),
            }),
            Type.Null(),
          ],
          { description: 'What it works on; `null` when on nothing.' },
        ),
        utilization_percent: percent('How busy it is, 0–100.'),
        error_rate: Type.Number({ minimum: 0, description: 'Failed tasks as a share of all.' }),
        tasks_completed_today: count('Since midnight.'),
      }),
      example: {
        agent_id: 'agent-3',
        agent_name: 'Researcher',
        status: 'active',
        current_task: {
          task_id: 't-88',
          task_type: 'summarise',
          progress_percent: 61.5,
          estimated_completion_seconds: 14,
        },
        utilization_percent: 74,
        error_rate: 0.012,
        tasks_completed_today: 42,
      },
    }),
    eventType({
      name: 'agent.status.changed',
      description: 'An agent went from one status to another.',
      data: Type.Object({
        agent_id: id('The agent.'),
        old_status: text('Before.'),
        new_status: text('Now.'),
      }),
      example: { agent_id: 'agent-3', old_status: 'idle', new_status: 'active' },
    }),
    eventType({
      name: 'agent.action.completed',
      description: 'An agent did something.',
      data: Type.Object({
        agentId: id('The agent.'),
        action: text('What it did.'),
        result: Type.Unknown({ description: 'What came of it.' }),
      }),
      example: { agentId: 'agent-3', action: 'search', result: { hits: 12 } },
    }),
  ],
});
