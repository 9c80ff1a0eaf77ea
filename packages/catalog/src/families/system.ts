import Type from 'typebox';
import { eventFamily } from '../event-family.ts';
import { eventType } from '../event-type.ts';
import { count, durationMs, id, text } from './fields.ts';

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
      description:
        'Something is broken. The server says so on `system.error` of the entity `default` once it can store again what it could not for a while.',
      data: Type.Object({ message: text('What.'), code: Type.Optional(text('Its code.')) }),
      example: { message: 'the disk is full', code: 'storage-full' },
    }),
    eventType({
      name: 'system.maintenance',
      description:
        'The server will not be, or is not, as usual. Before it goes away it says so on `system.maintenance`, where somebody follows that topic.',
      data: Type.Object({
        message: text('What.'),
        starts_at: Type.Optional(text('ISO 8601.')),
        ends_at: Type.Optional(text('ISO 8601.')),
      }),
      example: { message: 'Restart for an update', starts_at: '2026-11-20T22:00:00.000Z' },
    }),
    eventType({
      name: 'system.health.changed',
      description: 'A part of a system fares otherwise than before.',
      data: Type.Object({
        severity: text('`info`, `warning`, `critical`.'),
        message: text('What is otherwise.'),
        component: Type.Optional(text('Which part.')),
      }),
      example: { severity: 'warning', message: 'the queue of mails grows', component: 'mailer' },
    }),
    eventType({
      name: 'connection.connected',
      description:
        'A session began. The server says so on `connections.<door>`; at the typed door it is also the first message.',
      data: Type.Object({
        connection_id: id('The session.'),
        user_id: Type.Optional(id('Whose.')),
        door: Type.Optional(text('How it came: `websocket`, `bare`, `sse`.')),
        roles: Type.Optional(Type.Array(Type.String(), { description: 'What it may do.' })),
        connected_at: Type.Optional(text('ISO 8601.')),
        connecting_ms: Type.Optional(durationMs('From the connection to a valid token.')),
      }),
      example: {
        connection_id: 'c-1',
        user_id: 'ann',
        door: 'websocket',
        roles: ['member'],
        connected_at: '2026-11-20T12:00:00.000Z',
        connecting_ms: 12,
      },
    }),
    eventType({
      name: 'connection.disconnected',
      description: 'A session ended, as the server says on `connections.<door>`.',
      data: Type.Object({
        connection_id: id('The session.'),
        user_id: Type.Optional(id('Whose.')),
        door: Type.Optional(text('How it came: `websocket`, `bare`, `sse`.')),
        duration_ms: Type.Optional(durationMs('How long it lasted.')),
        messages: Type.Optional(count('What the client sent.')),
        topics: Type.Optional(
          Type.Array(Type.String(), { description: 'What it was subscribed to, 32 at most.' }),
        ),
        code: Type.Optional(count('The number it was closed with; 1006 where nobody closed it.')),
        reason: Type.Optional(text('Why, in words.')),
      }),
      example: {
        connection_id: 'c-1',
        user_id: 'ann',
        door: 'websocket',
        duration_ms: 61_500,
        messages: 14,
        topics: ['task.*'],
        code: 1001,
        reason: 'the client went away',
      },
    }),
    eventType({
      name: 'connection.heartbeat',
      description: 'A sign of life.',
      data: Type.Object({}),
      example: {},
    }),
    eventType({
      name: 'conflict_detected',
      description: 'Changes of one record that knew nothing of each other, and what became of them.',
      data: Type.Object({
        resource_id: id('The record.'),
        conflicting_updates: Type.Array(
          Type.Object({
            portal_id: id('Who changed it.'),
            timestamp: text('When, ISO 8601.'),
            vector_clock: Type.Array(count('A change of one portal.'), { description: 'What it knew of.' }),
            update: Type.Unknown({ description: 'The change.' }),
          }),
          { description: 'The changes.' },
        ),
        resolution: text('How it was decided: `primary_portal_wins`, `last_writer_wins`, `merge`, `manual`.'),
        final_state: Type.Unknown({ description: 'The record now.' }),
        portal_id: Type.Optional(id('Whose state it is now.')),
        state: Type.Optional(Type.Unknown({ description: 'That portal’s state.' })),
      }),
      example: {
        resource_id: 'portal-07/settings',
        conflicting_updates: [
          {
            portal_id: 'portal-07',
            timestamp: '2026-11-20T12:00:00.000Z',
            vector_clock: [4, 1],
            update: { zoom: 2 },
          },
          {
            portal_id: 'portal-11',
            timestamp: '2026-11-20T12:00:00.040Z',
            vector_clock: [3, 2],
            update: { zoom: 3 },
          },
        ],
        resolution: 'last_writer_wins',
        final_state: { zoom: 3 },
        portal_id: 'portal-11',
        state: { zoom: 3 },
      },
    }),
  ],
});
