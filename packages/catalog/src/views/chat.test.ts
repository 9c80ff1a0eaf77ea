import type { MillraceEvent } from '@millrace/protocol';
import { describe, expect, test } from 'vitest';
import { type Chat, chatView } from './chat.ts';

function chatOf(...events: (readonly [event: string, data: object])[]): Chat {
  return events.reduce(
    (chat, [event, data], i) =>
      chatView.fold(chat, {
        type: 'event',
        topic: 'chat.c1',
        epoch: 'e',
        offset: i + 1,
        id: `id-${i}`,
        timestamp: `2026-01-01T00:00:0${i % 10}.000Z`,
        event,
        data,
      } as MillraceEvent),
    chatView.initial(),
  );
}

const start = (stream_id: string, more: object = {}) => ['stream.start', { stream_id, ...more }] as const;
const token = (stream_id: string, index: number, text: string, tokens = 1) =>
  ['stream.token', { stream_id, index, text, tokens }] as const;

describe('the view of a conversation', () => {
  test('has messages and answers in the order in which they began, each answer as far as it has come', () => {
    const chat = chatOf(
      ['chat.message', { message_id: 'm1', role: 'user', user_id: 'ann', text: 'Hi' }],
      start('s1', { message_id: 'm2', model: 'tiny' }),
      ['chat.message', { message_id: 'm3', text: 'Still there?' }],
      token('s1', 0, 'Hel', 2),
      token('s1', 2, 'lo'),
    );
    expect(chat.messages).toMatchObject([
      { message_id: 'm1', role: 'user', user_id: 'ann', text: 'Hi' },
      {
        message_id: 'm2',
        role: 'assistant',
        text: 'Hello',
        answer: { stream_id: 's1', state: 'streaming', tokens: 3, model: 'tiny' },
      },
      { message_id: 'm3', role: 'user', text: 'Still there?' },
    ]);
  });

  test.each([
    ['complete', ['stream.end', { stream_id: 's1', tokens: 1, finish_reason: 'stop' }]],
    ['cancelled', ['stream.end', { stream_id: 's1', tokens: 1, finish_reason: 'cancelled' }]],
    ['failed', ['stream.error', { stream_id: 's1', code: 'busy', message: 'no', retryable: true }]],
  ] as const)('an answer that is %s stays as it is', (state, end) => {
    const chat = chatOf(start('s1'), token('s1', 0, 'a'), end, token('s1', 1, 'b'), [
      'stream.end',
      { stream_id: 's1', tokens: 9, finish_reason: 'length' },
    ]);
    expect(chat.messages).toMatchObject([{ text: 'a', answer: { state, tokens: 1 } }]);
  });

  test('a token that comes again counts once', () => {
    const chat = chatOf(start('s1'), token('s1', 0, 'a', 2), token('s1', 0, 'a', 2), token('s1', 2, 'b'));
    expect(chat.messages[0]?.text).toBe('ab');
  });

  test('what is said anew takes the place of what was said', () => {
    const chat = chatOf(
      ['chat.message', { message_id: 'm1', text: 'Helo' }],
      ['chat.message', { message_id: 'm2', text: 'What?' }],
      ['chat.message', { message_id: 'm1', text: 'Hello' }],
    );
    expect(chat.messages.map(({ text }) => text)).toEqual(['Hello', 'What?']);
  });

  test('keeps the newest hundred messages, and the end of an endless answer', () => {
    const many = Array.from({ length: 150 }, (_, i) => ['chat.message', { text: `${i}` }] as const);
    expect(chatOf(...many).messages.map(({ text }) => text)).toEqual(
      Array.from({ length: 100 }, (_, i) => `${i + 50}`),
    );
    const piece = 'x'.repeat(100_000);
    const endless = chatOf(
      start('s1'),
      ...[0, 1, 2, 3].map((i) => token('s1', i, piece)),
      token('s1', 4, 'end'),
    );
    const { text = '', cut = 0 } = endless.messages[0] ?? {};
    expect(text.length + cut).toBe(400_003);
    expect(text.length).toBeLessThan(300_000);
    expect(text.endsWith('xend')).toBe(true);
  });

  test('all texts together stay bounded', () => {
    const long = Array.from(
      { length: 90 },
      (_, i) => ['chat.message', { text: `${i}`.repeat(20_000) }] as const,
    );
    const { messages } = chatOf(...long);
    expect(messages.reduce((sum, { text }) => sum + text.length, 0)).toBeLessThanOrEqual(1024 * 1024);
    expect(messages.at(-1)?.text.startsWith('89')).toBe(true);
  });

  test('answers that grow side by side, and long reasons, stay bounded together', () => {
    const text = 'x'.repeat(60_000);
    const answers = Array.from({ length: 50 }, (_, i) => start(`s${i}`, { model: text }));
    const growing = answers.flatMap((_, i) => [token(`s${i}`, 0, text), token(`s${i}`, 1, text)]);
    const error = [
      'stream.error',
      { stream_id: 's49', code: text, message: text, retryable: false },
    ] as const;
    const chat = chatOf(...answers, ...growing, error);
    expect(JSON.stringify(chat).length).toBeLessThan(1_400_000);
    expect(chat.messages.at(-1)?.answer?.state).toBe('failed');
  });

  test('leaves alone what it does not know', () => {
    const chat = chatOf(['chat.typing', { user_id: 'ann' }], ['other', 1 as never], token('gone', 7, 'x'));
    expect(chat).toEqual({ messages: [] });
  });
});
