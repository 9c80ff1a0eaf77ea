import Type from 'typebox';
import { eventFamily } from '../event-family.ts';
import { eventType } from '../event-type.ts';
import { id, percent, text } from './fields.ts';

const project_id = id('The project.');

export const projectFamily = eventFamily({
  name: 'project',
  description: 'Projects, from their creation to their end.',
  topics: ['project.*'],
  events: [
    eventType({
      name: 'project.created',
      description: 'A project began.',
      data: Type.Object({ project_id, name: Type.Optional(text('What people call it.')) }),
      example: { project_id: 'p-5', name: 'Relaunch' },
    }),
    eventType({
      name: 'project.progress.updated',
      description: 'A project came further.',
      data: Type.Object({ project_id, progress: percent('How much is done, 0–100.') }),
      example: { project_id: 'p-5', progress: 60 },
    }),
    eventType({
      name: 'project.completed',
      description: 'A project is done.',
      data: Type.Object({ project_id }),
      example: { project_id: 'p-5' },
    }),
  ],
});
