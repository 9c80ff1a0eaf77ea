import { expect, test } from 'vitest';
import { keyBytes } from './key-bytes.ts';

const plain = { ctrlKey: false, altKey: false, metaKey: false };

test.each([
  ['a', {}, 'a'],
  ['é', {}, 'é'],
  ['🚀', {}, '🚀'],
  ['Enter', {}, '\r'],
  ['Backspace', {}, '\u007f'],
  ['ArrowUp', {}, '\u001b[A'],
  ['c', { ctrlKey: true }, '\u0003'],
  ['D', { ctrlKey: true }, '\u0004'],
  ['b', { altKey: true }, '\u001bb'],
  // AltGr, which many keyboards need for such characters.
  ['@', { ctrlKey: true, altKey: true }, '@'],
])('%s with %j is what a terminal sends', (key, modifiers, bytes) => {
  expect(keyBytes({ ...plain, ...modifiers, key })).toBe(bytes);
});

test.each([
  ['Tab', {}],
  ['Shift', {}],
  ['F5', {}],
  ['v', { ctrlKey: true }],
  ['c', { metaKey: true }],
])('%s with %j is left to the browser', (key, modifiers) => {
  expect(keyBytes({ ...plain, ...modifiers, key })).toBeUndefined();
});
