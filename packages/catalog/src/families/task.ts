import Type from 'typebox';
import { eventFamily } from '../event-family.ts';
import { eventType } from '../event-type.ts';
import { taskView } from '../views/task.ts';
import { count, durationMs, id, percent, producedAt, text } from './fields.ts';

const task_id = id('The task.');
const task_name = Type.Optional(text('What people call it.'));
const status = text('Where it stands, in the application’s words: `queued`, `running`, `blocked`.');

export const taskFamily = eventFamily({
  name: 'task',
  description: 'A piece of work with a beginning, a progress and an end, usually one topic each.',
  topics: ['task.*'],
  view: taskView,
  events: [
    eventType({
      name: 'task.started',
      description: 'A task began.',
      data: Type.Object({
        task_id,
        task_name,
        parent_id: Type.Optional(id('The task that it is a part of.')),
        total_steps: Type.Optional(count('How many steps it will take, when that is known.')),
        producedAt,
      }),
      example: { task_id: 'build-7', task_name: 'Build 7', total_steps: 12 },
    }),
    eventType({
      name: 'task.status',
      description: 'A task has another status.',
      data: Type.Object({ task_id, status, message: Type.Optional(text('Why.')), producedAt }),
      example: { task_id: 'build-7', status: 'running' },
    }),
    eventType({
      name: 'task.updated',
      description: 'Something about a task was changed: its name, its priority, its fields.',
      data: Type.Object({
        task_id,
        task_name,
        changes: Type.Optional(
          Type.Record(Type.String(), Type.Unknown(), { description: 'The new values of what was changed.' }),
        ),
        producedAt,
      }),
      example: { task_id: 'build-7', changes: { priority: 'high' } },
    }),
    eventType({
      name: 'task.assigned',
      description: 'A task was given to somebody.',
      data: Type.Object({
        task_id,
        task_name,
        assignee: Type.Optional(id('The user or agent that has it now.')),
        assigned_by: Type.Optional(id('Who gave it.')),
        producedAt,
      }),
      example: { task_id: 'build-7', assignee: 'ann' },
    }),
    eventType({
      name: 'task.progress',
      description: 'A task came further.',
      data: Type.Object({
        task_id,
        task_name,
        progress: percent('How much is done, 0–100.'),
        message: text('What it is doing.'),
        current_step: Type.Optional(
          Type.Union([count('The number of the step.'), text('The name of the step.')], {
            description: 'The step it is at: its number or its name.',
          }),
        ),
        total_steps: Type.Optional(count('How many steps there are.')),
        eta_seconds: Type.Optional(
          Type.Number({ minimum: 0, description: 'Time left, as far as the rate tells.' }),
        ),
        producedAt,
      }),
      example: {
        task_id: 'build-7',
        progress: 40,
        message: 'Compiling',
        current_step: 5,
        total_steps: 12,
        eta_seconds: 18,
      },
    }),
    eventType({
      name: 'task.completed',
      description: 'A task is done.',
      data: Type.Object({
        task_id,
        task_name,
        message: Type.Optional(text('How it ended.')),
        result: Type.Optional(Type.Unknown({ description: 'What came of it.' })),
        duration_ms: Type.Optional(durationMs('From its start.')),
        producedAt,
      }),
      example: { task_id: 'build-7', result: { artifacts: 3 }, duration_ms: 30_412 },
    }),
    eventType({
      name: 'task.failed',
      description: 'A task ended without success.',
      data: Type.Object({
        task_id,
        task_name,
        error: text('What went wrong.'),
        progress: Type.Optional(percent('How far it had come.')),
        duration_ms: Type.Optional(durationMs('From its start.')),
        producedAt,
      }),
      example: { task_id: 'build-7', error: 'the compiler exited with status 2', progress: 40 },
    }),
  ],
});
