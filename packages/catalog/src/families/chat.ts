import Type from 'typebox';
import { eventFamily } from '../event-family.ts';
import { eventType } from '../event-type.ts';
import { chatView } from '../views/chat.ts';
import { count, durationMs, id, text } from './fields.ts';

const stream_id = id('The answer.');
const conversation_id = Type.Optional(id('The conversation, which the topic names.'));

export const chatFamily = eventFamily({
  name: 'chat',
  description:
    'Conversations on `chat.<conversation>`, and answers of language models in them, token by token.',
  topics: ['chat.*'],
  view: chatView,
  events: [
    eventType({
      name: 'chat.message',
      description: 'Somebody said something.',
      data: Type.Object({
        message_id: Type.Optional(id('The message.')),
        conversation_id,
        role: Type.Optional(text('`user`, `assistant`, `system`.')),
        user_id: Type.Optional(id('Who said it.')),
        text: text('What.'),
      }),
      example: { message_id: 'm-1', role: 'user', user_id: 'ann', text: 'What is a mill race?' },
    }),
    eventType({
      name: 'chat.typing',
      description: 'Somebody is writing, or stopped.',
      data: Type.Object({
        conversation_id,
        user_id: id('Who.'),
        typing: Type.Optional(Type.Boolean({ description: 'False when they stopped.' })),
      }),
      example: { user_id: 'ann', typing: true },
    }),
    eventType({
      name: 'stream.start',
      description: 'A model begins to answer.',
      data: Type.Object({
        stream_id,
        conversation_id,
        message_id: Type.Optional(id('The message that it will be.')),
        provider: Type.Optional(text('Who runs the model.')),
        model: Type.Optional(text('The model.')),
        user_id: Type.Optional(id('Who asked.')),
        session_id: Type.Optional(id('What the asker calls the session that asked.')),
      }),
      example: { stream_id: 'st-1', provider: 'openai', model: 'gpt-large' },
    }),
    eventType({
      name: 'stream.token',
      description: 'The answer goes on. All texts of a stream, joined, are the answer.',
      data: Type.Object({
        stream_id,
        index: count('How many tokens came before.'),
        tokens: Type.Optional(count('How many these are; 1 when missing.')),
        text: text('What comes next: one token, or those of a short while.'),
      }),
      example: { stream_id: 'st-1', index: 0, tokens: 3, text: 'A mill race' },
    }),
    eventType({
      name: 'stream.end',
      description: 'The answer is complete, or was cancelled.',
      data: Type.Object({
        stream_id,
        tokens: count('In all.'),
        duration_ms: durationMs('From the first request to the last token.'),
        first_token_ms: Type.Optional(durationMs('From the first request to the first token.')),
        tokens_per_second: Type.Number({ minimum: 0, description: 'From the first token on.' }),
        finish_reason: Type.Optional(text('`stop`, `length`, `cancelled`, or as the provider says.')),
        usage: Type.Optional(
          Type.Object(
            { prompt_tokens: count('Of the question.'), completion_tokens: count('Of the answer.') },
            { description: 'Tokens as the provider counts them.' },
          ),
        ),
      }),
      example: {
        stream_id: 'st-1',
        tokens: 212,
        duration_ms: 2_310,
        tokens_per_second: 104.2,
        finish_reason: 'stop',
      },
    }),
    eventType({
      name: 'stream.error',
      description: 'The answer ends here, before its time.',
      data: Type.Object({
        stream_id,
        code: text(
          'What kind of failure: `refused`, `busy`, `failed`, `truncated`, `timeout`, `interrupted`, `storage`, or the publisher’s own.',
        ),
        message: text('What went wrong.'),
        retryable: Type.Boolean({ description: 'Whether asking again may help.' }),
        tokens: Type.Optional(count('That came before.')),
      }),
      example: {
        stream_id: 'st-1',
        code: 'interrupted',
        message: 'the server that gave the answer ended',
        retryable: true,
        tokens: 17,
      },
    }),
  ],
});
