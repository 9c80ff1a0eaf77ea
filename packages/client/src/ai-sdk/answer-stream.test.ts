import type { ChatMessage } from '@millrace/catalog/views';
import { describe, expect, test } from 'vitest';
import { AnswerChunks } from './answer-stream.ts';

type State = NonNullable<ChatMessage['answer']>['state'];

const said = (text: string, state: State = 'streaming', more: object = {}, cut?: number): ChatMessage => ({
  role: 'assistant',
  text,
  timestamp: '2026-01-01T00:00:00.000Z',
  ...(cut !== undefined && { cut }),
  answer: { stream_id: 's1', state, tokens: 1, ...more },
});

const BEGIN = { type: 'start', messageId: 's1' };
const TEXT = { type: 'text-start', id: 's1' };
const delta = (text: string) => ({ type: 'text-delta', id: 's1', delta: text });

describe('an answer in chunks', () => {
  test('begins before anything of it is known, and goes on with what is new', () => {
    const chunks = new AnswerChunks('s1');
    expect(chunks.of(undefined)).toEqual([BEGIN]);
    expect(chunks.of(said(''))).toEqual([]);
    expect(chunks.of(said('Hel'))).toEqual([TEXT, delta('Hel')]);
    expect(chunks.of(said('Hel'))).toEqual([]);
    expect(chunks.of(said('Hello'))).toEqual([delta('lo')]);
    expect(chunks.ended).toBe(false);
  });

  test('begins with all that came before', () => {
    expect(new AnswerChunks('s1').of(said('Hello'))).toEqual([BEGIN, TEXT, delta('Hello')]);
  });

  const ends: [State, object, object][] = [
    ['complete', { finish_reason: 'stop' }, { type: 'finish', finishReason: 'stop' }],
    ['complete', {}, { type: 'finish', finishReason: 'stop' }],
    ['complete', { finish_reason: 'length' }, { type: 'finish', finishReason: 'length' }],
    ['complete', { finish_reason: 'content_filter' }, { type: 'finish', finishReason: 'content-filter' }],
    ['complete', { finish_reason: 'whatever' }, { type: 'finish', finishReason: 'other' }],
    ['cancelled', {}, { type: 'abort', reason: 'cancelled' }],
    [
      'failed',
      { error: { code: 'busy', message: 'too many', retryable: true } },
      { type: 'error', errorText: 'too many' },
    ],
    ['failed', {}, { type: 'error', errorText: 'the answer failed' }],
  ];
  test.each(ends)('%s %o ends with %o, and with what was not told', (state, more, last) => {
    const chunks = new AnswerChunks('s1');
    chunks.of(said('Hel'));
    expect(chunks.of(said('Hello', state, more))).toEqual([
      delta('lo'),
      { type: 'text-end', id: 's1' },
      last,
    ]);
    expect(chunks.ended).toBe(true);
    expect(chunks.of(said('Hello', state, more))).toEqual([]);
  });

  test('without a text has none', () => {
    expect(new AnswerChunks('s1').of(said('', 'complete'))).toEqual([
      BEGIN,
      { type: 'finish', finishReason: 'stop' },
    ]);
  });

  test('goes on where the beginning of the text is not kept', () => {
    const chunks = new AnswerChunks('s1');
    chunks.of(said('abcdef'));
    expect(chunks.of(said('efgh', 'streaming', {}, 4))).toEqual([delta('gh')]);
    expect(chunks.of(said('xyz', 'streaming', {}, 20))).toEqual([delta('xyz')]);
  });
});
