import Type from 'typebox';
import { bound, count, duration, HTTP_URL, section, strict, text } from './section.ts';

const LlmProvider = section('A server that speaks OpenAI’s chat completions.', {
  baseUrl: Type.String({
    pattern: HTTP_URL,
    description: 'Where its API begins: `https://api.openai.com/v1`, `http://localhost:11434/v1`.',
  }),
  apiKey: Type.Optional(text('Its key; local servers need none.', { secret: true })),
  apiKeyFile: Type.Optional(text('File that holds the key.')),
  model: text('The model that it is asked for.'),
  maxTokens: bound('Of an answer; the provider’s own bound when missing.'),
  temperature: Type.Optional(
    Type.Number({ minimum: 0, maximum: 2, description: 'The provider’s own when missing.' }),
  ),
  headers: Type.Optional(
    Type.Record(Type.String(), Type.String(), { description: 'Sent along with each request.' }),
  ),
});

export const LlmSchema = section(
  'Answers of language models, published token by token in `chat.<conversation>`.',
  {
    providers: Type.Record(Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' }), LlmProvider, {
      ...strict,
      default: {},
      secret: true,
      description:
        'Who answers, by name: any server that speaks OpenAI’s chat completions. Needs the package `openai`.',
    }),
    default: Type.Optional(text('Who is asked where a request names nobody; the first when missing.')),
    systemPrompt: Type.Optional(text('Said to every model before the conversation.')),
    window: duration(
      'How long tokens are collected for one event; the first token of an answer does not wait.',
      '20ms',
    ),
    firstTokenTimeout: duration('From the request to the first token, of each attempt.', '30s'),
    tokenTimeout: duration('From one token to the next.', '30s'),
    timeout: duration('For a whole answer.', '10m'),
    maxRetries: Type.Integer({
      minimum: 0,
      maximum: 10,
      default: 3,
      description: 'Attempts after the first, as long as no token has come.',
    }),
    maxStreams: count('Answers at a time; more are answered with 503.', 250),
    maxStreamsPerUser: count('The same of one user.', 10),
    historyMessages: Type.Integer({
      minimum: 0,
      maximum: 100,
      default: 50,
      description: 'Messages of a conversation that go along with a prompt, at most.',
    }),
    historyChars: count('Characters of their texts.', 100_000),
  },
);
