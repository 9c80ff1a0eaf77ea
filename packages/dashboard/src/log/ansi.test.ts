import { expect, test } from 'vitest';
import { ansiSpans, plainText, styleAfter } from './ansi.ts';

const ESC = '\u001b';

test('text without escapes is one span', () => {
  expect(ansiSpans('', 'plain')).toEqual([{ text: 'plain', className: '' }]);
});

test('the colours of the theme are classes', () => {
  expect(ansiSpans('', `a${ESC}[1;31mb${ESC}[0mc`)).toEqual([
    { text: 'a', className: '' },
    { text: 'b', className: 'ansi-bold ansi-red-fg' },
    { text: 'c', className: '' },
  ]);
});

test('a line begins with the style it inherits', () => {
  expect(ansiSpans('92', 'still green')).toEqual([
    { text: 'still green', className: 'ansi-bright-green-fg' },
  ]);
});

test('palette and true colours are themselves', () => {
  expect(ansiSpans('', `${ESC}[38;5;196ma${ESC}[48;2;1;2;3mb`)).toEqual([
    { text: 'a', className: '', color: 'rgb(255, 0, 0)' },
    { text: 'b', className: '', color: 'rgb(255, 0, 0)', background: 'rgb(1, 2, 3)' },
  ]);
  expect(ansiSpans('38;5;244', 'grey')[0]?.color).toBe('rgb(128, 128, 128)');
});

test('reverse swaps text and ground', () => {
  expect(ansiSpans('', `${ESC}[7;31mx`)[0]?.className).toBe('ansi-black-fg ansi-red-bg');
});

test.each([
  ['', `${ESC}[31m`, '31'],
  ['31', `${ESC}[1m${ESC}[32m`, '32;1'],
  ['1;2;31', `${ESC}[22m`, '31'],
  ['31;41', `${ESC}[39;49m`, ''],
  ['31', `${ESC}[m`, ''],
  ['1', `${ESC}[38;5;12;4m`, '1;38;5;12;4'],
  ['38;2;1;2;3', `${ESC}[0;3m`, '3'],
])('after %j, %j leaves %j in force', (before, text, after) => {
  expect(styleAfter(before, text)).toBe(after);
});

test('what is in force stays short however many colours go by', () => {
  let style = '';
  for (let i = 0; i < 1000; i++) style = styleAfter(style, `${ESC}[3${i % 8}m${ESC}[39m${ESC}[1m`);
  expect(style).toBe('1');
});

test('plain text has no escapes', () => {
  expect(plainText(`${ESC}[31ma${ESC}[0mb`)).toBe('ab');
});
