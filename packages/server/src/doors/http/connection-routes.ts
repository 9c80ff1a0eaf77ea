import { MillraceError } from '@millrace/protocol';
import Type from 'typebox';
import type { ConnectionInfo } from '../../session/connections.ts';
import { actorOf, administratorOf, type Guard } from './authentication.ts';
import type { HttpContext, HttpRouter } from './http-context.ts';
import { emptyAnswer, guardedAnswers, SECURED } from './route-docs.ts';
import { sharedShape } from './wire-shapes.ts';

const ConnectionParams = Type.Object({ id: Type.String({ description: 'The `connectionId`.' }) });

const ListSchema = {
  ...SECURED,
  operationId: 'listConnections',
  tags: ['Connections'],
  summary: 'List connections',
  description: 'The connections of the token’s entity at this node. Needs the role `admin`.',
  response: {
    200: Type.Object(
      { connections: Type.Array(sharedShape<ConnectionInfo>('Connection')) },
      { description: 'All of them.' },
    ),
    ...guardedAnswers('forbidden'),
  },
} as const;

const DisconnectSchema = {
  ...SECURED,
  operationId: 'disconnect',
  tags: ['Connections'],
  summary: 'End a connection',
  description:
    'Closes it with 4504 (`disconnected`), which tells the client not to come back by itself. Needs the role `admin`.',
  params: ConnectionParams,
  response: { 204: emptyAnswer('The connection is closed.'), ...guardedAnswers('forbidden', 'not-found') },
} as const;

export function addConnectionRoutes(router: HttpRouter, guard: Guard, { doorway, audit }: HttpContext): void {
  const { connections } = doorway;

  router.get('/api/v1/connections', { ...guard, schema: ListSchema }, async (request) => ({
    connections: connections.list(administratorOf(request).entityId),
  }));

  router.delete('/api/v1/connections/:id', { ...guard, schema: DisconnectSchema }, async (request, reply) => {
    const { id } = request.params;
    const { entityId } = administratorOf(request);
    const session = connections.find(entityId, id);
    const userId = session?.identity?.userId;
    const target = { connectionId: id, ...(userId !== undefined && { userId }) };
    await audit.run(actorOf(request), { action: 'disconnect', target }, () => {
      if (session === undefined) {
        throw new MillraceError('not-found', `there is no connection ${JSON.stringify(id)} at this node`);
      }
      session.end('disconnected', 'an administrator ended the connection');
    });
    return reply.code(204).send();
  });
}
