import { snapshotFields } from '../snapshot-json.ts';
import { type Guard, identityOf } from './authentication.ts';
import type { HttpContext, HttpRouter } from './http-context.ts';
import { JSON_TYPE } from './json-body.ts';
import { guardedAnswers, SECURED } from './route-docs.ts';
import { checkReadable, TopicParams } from './topic-param.ts';
import { sharedShape } from './wire-shapes.ts';

const SnapshotSchema = {
  ...SECURED,
  operationId: 'readSnapshot',
  tags: ['Topics'],
  summary: 'Read a topic’s state',
  description: [
    'What the topic’s view makes of its events, and the position up to which it has. A subscription `since` that position',
    'goes on from there without a gap; one `since` `"snapshot"` does both at once. A topic that does not exist has the',
    'initial state of its view.',
  ].join('\n'),
  params: TopicParams,
  response: {
    200: sharedShape('Snapshot', 'The state.'),
    ...guardedAnswers('bad-topic', 'forbidden', 'too-large', 'unavailable'),
  },
} as const;

export function addSnapshotRoutes(router: HttpRouter, guard: Guard, { snapshots }: HttpContext): void {
  router.get(
    '/api/v1/topics/:topic/snapshot',
    { ...guard, schema: SnapshotSchema },
    async (request, reply) => {
      const { topic } = request.params;
      const identity = identityOf(request);
      checkReadable(identity, topic);
      const snapshot = await snapshots.ofTopic(identity.entityId, topic);
      return reply.type(JSON_TYPE).send(`{${snapshotFields(snapshot)}}`);
    },
  );
}
