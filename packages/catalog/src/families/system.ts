import Type from 'typebox';
import { eventFamily } from '../event-family.ts';
import { eventType } from '../event-type.ts';
import { id, text } from './fields.ts';

export const systemFamily = eventFamily({
  name: 'system',
  description: 'What the server and its operators have to say, and the life of connections.',
  topics: ['system.*', 'connections.*'],
  events: [
    eventType({
      name: 'system.notification',
      description: 'A word to people. Direct sends that name no event are called that, whatever they say.',
      data: Type.Unknown({ description: 'What the sender says: usually `{message, title?, severity?}`.' }),
      example: { title: 'Hello', message: 'The new version is out.', severity: 'info' },
    }),
    eventType({
      name: 'system.error',
      description: 'Something is broken.',
      data: Type.Object({ message: text('What.'), code: Type.Optional(text('Its code.')) }),
      example: { message: 'the disk is full', code: 'storage-full' },
    }),
    eventType({
      name: 'system.maintenance',
      description: 'The server will not be, or is not, as usual.',
      data: Type.Object({
        message: text('What.'),
        starts_at: Type.Optional(text('ISO 8601.')),
        ends_at: Type.Optional(text('ISO 8601.')),
      }),
      example: { message: 'Restart for an update', starts_at: '2026-11-20T22:00:00.000Z' },
    }),
    eventType({
      name: 'connection.connected',
      description: 'A session began.',
      data: Type.Object({ connection_id: id('The session.'), user_id: Type.Optional(id('Whose.')) }),
      example: { connection_id: 'c-1', user_id: 'ann' },
    }),
    eventType({
      name: 'connection.disconnected',
      description: 'A session ended.',
      data: Type.Object({ connection_id: id('The session.'), user_id: Type.Optional(id('Whose.')) }),
      example: { connection_id: 'c-1', user_id: 'ann' },
    }),
    eventType({
      name: 'connection.heartbeat',
      description: 'A sign of life.',
      data: Type.Object({}),
      example: {},
    }),
    eventType({
      name: 'conflict_detected',
      description: 'Two changes of one record exclude each other.',
      data: Type.Object({ resource_id: id('The record.') }),
      example: { resource_id: 'r-1' },
    }),
  ],
});
