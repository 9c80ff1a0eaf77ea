import Type from 'typebox';
import { eventFamily } from '../event-family.ts';
import { eventType } from '../event-type.ts';
import { count, id, text } from './fields.ts';

const user_id = Type.Optional(id('Who asked; the server itself when missing.'));

export const controlFamily = eventFamily({
  name: 'control',
  description:
    'What viewers want of something that runs, on `control.<id>`. The server alone publishes it, after it has checked who asks; whoever runs the thing reads it. No wildcard selects these topics.',
  topics: ['control.*'],
  events: [
    eventType({
      name: 'control.stdin',
      description: 'A viewer typed something.',
      data: Type.Object({
        execution_id: id('The run.'),
        data: text('What was typed, or base64 of bytes that are no text.'),
        encoding: Type.Optional(Type.Literal('base64')),
        end: Type.Optional(Type.Literal(true, { description: 'The input ends after it.' })),
        user_id,
      }),
      example: { execution_id: '7f3a', data: 'yes\n', user_id: 'ann' },
    }),
    eventType({
      name: 'control.resize',
      description: 'The viewer’s terminal has this size. Means something to a command with a terminal.',
      data: Type.Object({ columns: count('Characters a line.'), rows: count('Lines.'), user_id }),
      example: { columns: 120, rows: 40, user_id: 'ann' },
    }),
    eventType({
      name: 'control.signal',
      description: 'A signal for the command and what it started.',
      data: Type.Object({ signal: text('Its name, such as `SIGINT`.'), user_id }),
      example: { signal: 'SIGINT', user_id: 'ann' },
    }),
    eventType({
      name: 'control.cancel',
      description:
        'It is to come to an end: a command by SIGTERM, and SIGKILL after a grace; an answer at once.',
      data: Type.Object({
        id: id('What.'),
        reason: Type.Optional(text('Why.')),
        topic: Type.Optional(text('The topic for which it was checked who asks.')),
        user_id,
      }),
      example: { id: 'st-1', reason: 'not needed any more', user_id: 'ann' },
    }),
  ],
});
