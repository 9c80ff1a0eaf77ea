import { checkValue, MillraceError } from '@millrace/protocol';
import Type from 'typebox';
import type { AnswerRequest } from '../../llm/answer-request.ts';
import { type Guard, identityOf } from './authentication.ts';
import type { HttpContext, HttpRouter } from './http-context.ts';
import { guardedAnswers, SECURED } from './route-docs.ts';
import { createShapeCheck } from './shape-check.ts';

const MAX_ID_LENGTH = 200;
const MAX_MESSAGES = 1000;
/** Of all messages together, in UTF-16 code units. */
const MAX_CHARS = 1_000_000;

const Id = (description: string, examples?: string[]) =>
  Type.Optional(
    Type.String({ minLength: 1, maxLength: MAX_ID_LENGTH, description, ...(examples && { examples }) }),
  );
const Text = (description: string) => Type.String({ minLength: 1, description });

const StreamBody = Type.Object(
  {
    prompt: Type.Optional(
      Text(
        'What the user says. What was said in the conversation before goes along, as far as the bounds let it.',
      ),
    ),
    messages: Type.Optional(
      Type.Array(
        Type.Object({
          role: Type.Enum(['system', 'user', 'assistant']),
          content: Type.String(),
          id: Id('A message of that id is published once, however often it is sent.'),
        }),
        {
          minItems: 1,
          maxItems: MAX_MESSAGES,
          description:
            'Instead of `prompt`: all that the model is to know, oldest first. The last one, where it is a user’s, is published.',
        },
      ),
    ),
    conversation_id: Id('A new conversation when missing.', ['support-17']),
    message_id: Id('The id of the prompt as a message.'),
    user_id: Id('Whom it is from, for those who may send to users; the token’s own user when missing.'),
    ai_provider: Id('Who is to answer: a name in `llm.providers`.'),
    session_id: Id('What you call the session that asks; `stream.start` tells it.'),
  },
  {
    description: 'Exactly one of `prompt` and `messages`, and where it belongs.',
    examples: [{ prompt: 'What is a mill race?', conversation_id: 'support-17' }],
  },
);

const StreamAnswer = Type.Object(
  {
    stream_id: Type.String({ description: 'The answer’s id, which its events carry.' }),
    conversation_id: Type.String(),
    topic: Type.String({ examples: ['chat.support-17'] }),
    position: Type.String({
      description: 'Of the answer’s beginning: subscribe `since` it, and all of the answer follows.',
      examples: ['dk3f9-1:17'],
    }),
  },
  { description: 'The answer has begun, and will have an end: `stream.end` or `stream.error`.' },
);

const StreamSchema = {
  ...SECURED,
  operationId: 'streamAnswer',
  tags: ['Language models'],
  summary: 'Have a question answered',
  description: [
    'Asks a provider, and publishes its answer token by token on `chat.<conversation_id>`: `stream.start`, `stream.token`, and',
    '`stream.end` or `stream.error`. The answer goes on whoever reads it. For those who may publish to that topic.',
  ].join('\n'),
  body: StreamBody,
  response: {
    202: StreamAnswer,
    ...guardedAnswers(
      'bad-json',
      'bad-message',
      'too-large',
      'forbidden',
      'sealed',
      'not-supported',
      'storage-full',
      'unavailable',
      'unknown',
    ),
  },
} as const;

const CancelBody = Type.Object(
  {
    conversation_id: Id('Needed for an answer that an application publishes itself.'),
    reason: Type.Optional(
      Type.String({ minLength: 1, maxLength: 1000, description: 'For whoever gives the answer.' }),
    ),
  },
  { description: 'Where the answer is given, and why it is to stop.' },
);

const CancelSchema = {
  ...SECURED,
  operationId: 'cancelAnswer',
  tags: ['Language models'],
  summary: 'Stop an answer',
  description: [
    'Whoever gives the answer ends the provider’s request; the answer ends with `stream.end {finish_reason: "cancelled"}` and what',
    'has come of it. For those who may publish to its topic, and for members who may read it.',
  ].join('\n'),
  params: Type.Object({ stream: Type.String({ description: 'The `stream_id`.' }) }),
  body: Type.Optional(CancelBody),
  response: {
    202: Type.Object(
      { stream_id: Type.String(), topic: Type.String() },
      { description: 'Whoever gives the answer has been told.' },
    ),
    ...guardedAnswers(
      'bad-json',
      'bad-message',
      'forbidden',
      'not-found',
      'storage-full',
      'unavailable',
      'unknown',
    ),
  },
} as const;

export function addLlmRoutes(router: HttpRouter, guard: Guard, { llm, doorway }: HttpContext): void {
  const { limits } = doorway.sessions;
  const readRequest = createShapeCheck(StreamBody);
  const readCancel = createShapeCheck(CancelBody);

  router.post('/api/v1/llm/stream', { ...guard, schema: StreamSchema }, async (request, reply) => {
    checkValue(request.body, limits.maxJsonDepth, '');
    const body = readRequest(request.body, '');
    checkQuestion(body);
    return reply.code(202).send(await llm.begin(identityOf(request), body));
  });

  router.post('/api/v1/llm/:stream/cancel', { ...guard, schema: CancelSchema }, async (request, reply) => {
    const { conversation_id: conversationId, reason } = readCancel(request.body ?? {}, '');
    const streamId = request.params.stream;
    const { topic } = await llm.cancel(identityOf(request), { streamId, conversationId, reason });
    return reply.code(202).send({ stream_id: streamId, topic });
  });
}

/** Throws a `MillraceError`: `bad-message`, `too-large`. */
function checkQuestion({ prompt, messages }: AnswerRequest): void {
  if ((prompt === undefined) === (messages === undefined)) {
    throw new MillraceError('bad-message', 'send exactly one of "prompt" and "messages"', {
      details: { path: '/prompt' },
    });
  }
  const chars = (messages ?? []).reduce((sum, { content }) => sum + content.length, prompt?.length ?? 0);
  if (chars <= MAX_CHARS) return;
  throw new MillraceError('too-large', `the messages have ${chars} characters, over ${MAX_CHARS}`, {
    details: { maxChars: MAX_CHARS },
  });
}
