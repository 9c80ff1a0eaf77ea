import { expect, test } from 'vitest';
import { markSpans } from './mark-spans.ts';

const marked = (texts: readonly string[], query: string): string =>
  markSpans(
    texts.map((text) => ({ text, className: '' })),
    query,
  )
    .map(({ text, isMarked }) => (isMarked ? `[${text}]` : text))
    .join('|');

test('matches are spans of their own, whatever their case', () => {
  expect(marked(['An Error and an error'], 'error')).toBe('An |[Error]| and an |[error]');
});

test('a match may begin in one span and end in another', () => {
  expect(marked(['ab', 'cd', 'ef'], 'bcde')).toBe('a|[b]|[cd]|[e]|f');
});

test('matches at the ends and next to each other are one mark each', () => {
  expect(marked(['aaaa'], 'aa')).toBe('[aaaa]');
  expect(marked(['abxab'], 'ab')).toBe('[ab]|x|[ab]');
});

test('without a query nothing is marked', () => {
  expect(marked(['a', 'b'], '')).toBe('a|b');
});
