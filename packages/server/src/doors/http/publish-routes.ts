import { MillraceError, type PublishResult } from '@millrace/protocol';
import Type from 'typebox';
import type { Identity } from '../../auth/identity.ts';
import type { EncodedInput, Publisher } from '../../session/publisher.ts';
import { type Problem, problemOf } from '../problem.ts';
import { type Guard, identityOf } from './authentication.ts';
import type { HttpContext, HttpRouter } from './http-context.ts';
import { CLOUD_EVENT_BATCH_TYPE, CLOUD_EVENT_TYPE, JSON_TYPE } from './json-body.ts';
import { type Publication, readPublication } from './publication.ts';
import { guardedAnswers, SECURED } from './route-docs.ts';
import { EventBatchShape, sharedShape } from './wire-shapes.ts';

const Query = Type.Object({
  topic: Type.Optional(Type.String({ description: 'The topic of CloudEvents that name none themselves.' })),
});

const PublishSchema = {
  ...SECURED,
  operationId: 'publishEvents',
  tags: ['Events'],
  summary: 'Publish one event or many',
  description: [
    'Answers once the events are stored: on disk for a durable topic, in memory for a live one.',
    'Send an `idempotencyKey` and repeat the request after any failure: an event is stored once.',
    '',
    'Many events are sent as `{"events": [...]}` or as a CloudEvents batch. Each is stored or refused by itself,',
    'and events of one topic are stored in their order. The answer is 200 when all are stored, and 207 when at',
    'least one was refused: `results` has a result or an `error` for each, in their order.',
    '',
    'The data of an event that the catalog knows must meet its schema; otherwise the answer is 422 with the code `bad-data`,',
    'and `details.path` says where it does not. `/asyncapi.json` and `/docs/events` have the schemas.',
    '',
    'CloudEvents 1.0 come in structured mode, as a batch, or in binary mode (`ce-*` headers on a JSON body).',
    'Their `topic` is an extension attribute, or the query’s.',
  ].join('\n'),
  querystring: Query,
  body: {
    content: {
      [JSON_TYPE]: { schema: Type.Union([sharedShape('EventInput'), EventBatchShape]) },
      [CLOUD_EVENT_TYPE]: { schema: sharedShape('CloudEvent') },
      [CLOUD_EVENT_BATCH_TYPE]: { schema: Type.Array(sharedShape('CloudEvent')) },
    },
  },
  response: {
    200: {
      description: 'Stored.',
      content: {
        [JSON_TYPE]: { schema: Type.Union([sharedShape('PublishResult'), sharedShape('PublishResults')]) },
      },
    },
    207: {
      description: 'Of many events at least one was refused; see each result.',
      content: { [JSON_TYPE]: { schema: sharedShape('PublishResults') } },
    },
    ...guardedAnswers(
      'bad-json',
      'bad-utf8',
      'bad-message',
      'bad-topic',
      'bad-position',
      'bad-data',
      'unknown-event',
      'forbidden-key',
      'too-deep',
      'forbidden',
      'conflict',
      'fenced',
      'sealed',
      'too-large',
      'not-supported',
      'unavailable',
      'unknown',
      'storage-full',
    ),
  },
} as const;

export function addPublishRoutes(router: HttpRouter, guard: Guard, { doorway }: HttpContext): void {
  const { publisher, counters, limits } = doorway.sessions;
  const answered = (error: MillraceError): Problem => {
    counters.countError(error.code);
    return problemOf(error);
  };
  router.post('/api/v1/events', { ...guard, schema: PublishSchema }, async (request, reply) => {
    const publication = readPublication({
      headers: request.headers,
      body: request.body,
      topic: request.query.topic,
      maxJsonDepth: limits.maxJsonDepth,
    });
    const identity = identityOf(request);
    doorway.requestRates.charge(identity, publication.inputs.length - 1);
    const outcomes = await publish(publisher, identity, publication);
    const [only] = outcomes;
    if (!publication.isBatch && only !== undefined) {
      if (only instanceof MillraceError) throw only;
      return only;
    }
    const failed = outcomes.some((outcome) => outcome instanceof MillraceError);
    return reply.code(failed ? 207 : 200).send({
      results: outcomes.map((outcome) =>
        outcome instanceof MillraceError ? { error: answered(outcome) } : outcome,
      ),
    });
  });
}

/** Publishes what could be read, and puts the outcomes back in the order of the request. */
async function publish(
  publisher: Publisher,
  identity: Identity,
  { inputs }: Publication,
): Promise<readonly (PublishResult | MillraceError)[]> {
  const readable = inputs.filter((input): input is EncodedInput => !(input instanceof MillraceError));
  const stored = (await publisher.publish(identity, readable)).values();
  return inputs.map((input) => {
    if (input instanceof MillraceError) return input;
    const { value } = stored.next();
    if (value === undefined) throw new Error('the publisher left an event without an outcome');
    return value;
  });
}
