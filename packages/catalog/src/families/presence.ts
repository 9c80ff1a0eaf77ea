import Type from 'typebox';
import { eventFamily } from '../event-family.ts';
import { eventType } from '../event-type.ts';
import { id, text } from './fields.ts';

const user_id = id('Who.');

export const presenceFamily = eventFamily({
  name: 'presence',
  description: 'Who is there.',
  topics: ['presence.*'],
  events: [
    eventType({
      name: 'user.join',
      description: 'Somebody came.',
      data: Type.Object({ user_id }),
      example: { user_id: 'ann' },
    }),
    eventType({
      name: 'user.leave',
      description: 'Somebody left.',
      data: Type.Object({ user_id }),
      example: { user_id: 'ann' },
    }),
    eventType({
      name: 'user.status',
      description: 'Somebody does something else.',
      data: Type.Object({
        user_id,
        status: Type.Enum(['online', 'away', 'idle', 'typing', 'viewing'], { description: 'What they do.' }),
        resource: Type.Optional(text('What they view or type in.')),
      }),
      example: { user_id: 'ann', status: 'away' },
    }),
  ],
});
