import Type from 'typebox';
import { eventFamily } from '../event-family.ts';
import { eventType } from '../event-type.ts';
import { workflowsView } from '../views/workflows.ts';
import { count, id, number, percent, producedAt, text } from './fields.ts';

const workflow_id = id('The run of the workflow.');
const workflow_name = Type.Optional(text('Which workflow it is a run of.'));
const step_number = count('The step, from 1.');
const duration_seconds = Type.Number({ minimum: 0, description: 'How long it took.' });

export const workflowFamily = eventFamily({
  name: 'workflow',
  description: 'Runs of workflows, step by step.',
  topics: ['workflow.*', 'workflows.*'],
  view: workflowsView,
  events: [
    eventType({
      name: 'workflow.started',
      description: 'A workflow began.',
      data: Type.Object({
        workflow_id,
        workflow_name,
        total_steps: Type.Optional(count('How many steps it has.')),
        producedAt,
      }),
      example: { workflow_id: 'wf-31', workflow_name: 'Nightly import', total_steps: 4 },
    }),
    eventType({
      name: 'workflow.step',
      description: 'A step of a workflow began or ended.',
      data: Type.Object({
        workflow_id,
        step_number,
        step_name: text('What the step does.'),
        status: text('`running`, `completed`, `failed`, `skipped`.'),
        duration_seconds: Type.Optional(duration_seconds),
        result: Type.Optional(Type.Unknown({ description: 'What came of it.' })),
        producedAt,
      }),
      example: { workflow_id: 'wf-31', step_number: 2, step_name: 'Load', status: 'running' },
    }),
    eventType({
      name: 'workflow.progress',
      description: 'A workflow came further.',
      data: Type.Object({
        workflow_id,
        progress: percent('How much is done, 0–100.'),
        message: Type.Optional(text('What it is doing.')),
        eta_seconds: Type.Optional(number('Time left, as far as the rate tells.')),
        producedAt,
      }),
      example: { workflow_id: 'wf-31', progress: 50, message: 'Loading' },
    }),
    eventType({
      name: 'workflow.completed',
      description: 'A workflow is done.',
      data: Type.Object({
        workflow_id,
        workflow_name,
        duration_seconds: Type.Optional(duration_seconds),
        result: Type.Optional(Type.Unknown({ description: 'What came of it.' })),
        producedAt,
      }),
      example: { workflow_id: 'wf-31', duration_seconds: 73.2 },
    }),
    eventType({
      name: 'workflow.failed',
      description: 'A workflow ended without success.',
      data: Type.Object({
        workflow_id,
        workflow_name,
        error: text('What went wrong.'),
        step_number: Type.Optional(step_number),
        duration_seconds: Type.Optional(duration_seconds),
        producedAt,
      }),
      example: { workflow_id: 'wf-31', error: 'the source is not reachable', step_number: 2 },
    }),
    eventType({
      name: 'workflow_event',
      description: 'Anything that happens in a workflow, in one flat shape.',
      data: Type.Object({
        workflow_id,
        workflow_name: text('Which workflow it is a run of.'),
        event_type: text('`started`, `step_started`, `step_completed`, `completed`, `failed`.'),
        step_number,
        step_name: text('What the step does.'),
        status: text('Of the workflow: `running`, `completed`, `failed`.'),
        duration_seconds,
        result: Type.Optional(Type.Unknown({ description: 'What came of it, once there is something.' })),
      }),
      example: {
        workflow_id: 'wf-31',
        workflow_name: 'Nightly import',
        event_type: 'step_completed',
        step_number: 2,
        step_name: 'Load',
        status: 'running',
        duration_seconds: 12.5,
        result: { rows: 1200 },
      },
    }),
  ],
});
