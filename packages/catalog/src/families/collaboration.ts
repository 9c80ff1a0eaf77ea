import Type from 'typebox';
import { eventFamily } from '../event-family.ts';
import { eventType } from '../event-type.ts';
import { id, text } from './fields.ts';

const who = {
  user_id: id('Who.'),
  resource_type: Type.Optional(text('What kind of thing it is about.')),
  resource_id: Type.Optional(id('The thing.')),
};

export const collaborationFamily = eventFamily({
  name: 'collab',
  description: 'People who work on the same thing.',
  topics: ['collab.*'],
  events: [
    eventType({
      name: 'collab.edit',
      description: 'Somebody changed something.',
      data: Type.Object({ ...who, operation: Type.Optional(text('What kind of change.')) }),
      example: { user_id: 'ann', resource_type: 'document', resource_id: 'd-1', operation: 'insert' },
    }),
    eventType({
      name: 'collab.cursor',
      description: 'Somebody’s cursor moved.',
      data: Type.Object({
        ...who,
        position: Type.Unknown({ description: 'Where, as the application has it.' }),
      }),
      example: { user_id: 'ann', resource_id: 'd-1', position: { line: 3, column: 7 } },
    }),
    eventType({
      name: 'collab.comment',
      description: 'Somebody commented.',
      data: Type.Object({ ...who, text: text('What they said.') }),
      example: { user_id: 'ann', resource_id: 'd-1', text: 'Really?' },
    }),
    eventType({
      name: 'collab.conflict',
      description: 'Two changes exclude each other.',
      data: Type.Object(who),
      example: { user_id: 'ann', resource_id: 'd-1' },
    }),
    eventType({
      name: 'collab.lock',
      description: 'Somebody took or gave back a lock.',
      data: Type.Object({
        ...who,
        locked: Type.Optional(Type.Boolean({ description: 'False when it was given back.' })),
      }),
      example: { user_id: 'ann', resource_id: 'd-1', locked: true },
    }),
  ],
});
