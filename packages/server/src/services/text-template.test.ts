import { expect, test } from 'vitest';
import { parseTemplate } from './text-template.ts';

const values: Readonly<Record<string, unknown>> = { a: 'x', n: 1.5, o: { p: [1] }, nothing: null };
const fill = (template: string): string => parseTemplate(template).fill((name) => values[name]);

test.each([
  ['', ''],
  ['as it is', 'as it is'],
  ['{a}', 'x'],
  ['{ a } and {n}{o}', 'x and 1.5{"p":[1]}'],
  ['[{nothing}{unknown}]', '[]'],
  ['{{a}} {{{a}}}', '{a} {x}'],
])('%j is filled to %j', (template, text) => {
  expect(fill(template)).toBe(text);
});

test('what is filled in is never read as a template itself', () => {
  expect(parseTemplate('{a}').fill(() => '{b} {{')).toBe('{b} {{');
});

test('names its gaps, each once', () => {
  expect(parseTemplate('{a} {b} {a} {{c}}').names).toEqual(['a', 'b']);
});

test.each(['{', 'a }', '{}', '{ }', '{a'])('%j is refused, saying where', (template) => {
  expect(() => parseTemplate(template)).toThrow(/brace at character \d/);
});
