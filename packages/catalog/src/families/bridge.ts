import Type from 'typebox';
import { eventFamily } from '../event-family.ts';
import { eventType } from '../event-type.ts';
import { id, text } from './fields.ts';

const agent_id = id('The agent.');
const what = Type.Unknown({
  description:
    'What the event that it was made of said; of an object, with the name of that event as `source_event`.',
});

export const bridgeFamily = eventFamily({
  name: 'bridge',
  description:
    'What bridge rules make of other events, under the names that clients elsewhere know them by. Observers get them.',
  topics: ['observers', 'observers.*'],
  events: [
    eventType({
      name: 'agent_update',
      description: 'Something about an agent is new: made of `agent.*`.',
      data: Type.Object({
        agent_id,
        status: Type.Optional(text('The agent’s status, where the event told it.')),
        change_type: text('What happened: the name of the event.'),
      }),
      example: { agent_id: 'agent-3', status: 'active', change_type: 'agent.status.changed' },
    }),
    eventType({
      name: 'agent_status_change',
      description: 'An agent went from one status to another: made of `agent.status.changed`.',
      data: Type.Object({
        agent_id,
        old_status: text('Before.'),
        new_status: text('Now.'),
        timestamp: Type.Optional(text('When, ISO 8601.')),
        animation: Type.Enum(['pulse', 'fade'], {
          description: 'How to show it: `pulse` when it is active now, else `fade`.',
        }),
      }),
      example: { agent_id: 'agent-3', old_status: 'idle', new_status: 'active', animation: 'pulse' },
    }),
    eventType({
      name: 'project_update',
      description: 'Something about a project is new: made of `project.*`.',
      data: what,
      example: { source_event: 'project.progress.updated', project_id: 'p-5', progress: 60 },
    }),
    eventType({
      name: 'task_assignment',
      description: 'A task was given to somebody: made of `task.assigned`.',
      data: what,
      example: { task_id: 'build-7', assignee: 'ann' },
    }),
    eventType({
      name: 'health_update',
      description: 'The system fares otherwise than before: made of `system.health.changed`.',
      data: what,
      example: { source_event: 'system.health.changed', severity: 'warning', message: 'the queue grows' },
    }),
    eventType({
      name: 'generic_update',
      description: 'Any other event of the patterns that the configuration names.',
      data: what,
      example: { source_event: 'stock.changed', sku: 'A-17', left: 3 },
    }),
  ],
});
