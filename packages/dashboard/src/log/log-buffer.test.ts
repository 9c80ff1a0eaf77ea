import { expect, test } from 'vitest';
import { LogBuffer, logText } from './log-buffer.ts';

const ESC = '\u001b';
const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);

function linesOf(...chunks: readonly (string | Uint8Array)[]): string[] {
  const buffer = new LogBuffer();
  for (const chunk of chunks) buffer.append(chunk, false);
  return buffer.lines.map(({ text }) => text);
}

test('chunks are cut into lines, and a partial line goes on in the next chunk', () => {
  expect(linesOf('one\ntw', 'o\nthr', 'ee')).toEqual(['one', 'two', 'three']);
  expect(linesOf('a\n\n\nb\n')).toEqual(['a', '', '', 'b']);
});

test('a carriage return begins the line anew, a carriage return and newline only ends it', () => {
  expect(linesOf('10%\r20%\r', '30%')).toEqual(['30%']);
  expect(linesOf('done\r\nnext\r', '\nlast')).toEqual(['done', 'next', 'last']);
  expect(linesOf('progress 99%\r')).toEqual(['progress 99%']);
});

test('each stream has its own open line', () => {
  const buffer = new LogBuffer();
  buffer.append('Loading', false);
  buffer.append('warning\n', true);
  buffer.append(' … done\n', false);
  expect(buffer.lines.map(({ text, isStderr }) => [text, isStderr])).toEqual([
    ['Loading … done', false],
    ['warning', true],
  ]);
  expect(buffer.firstOpenIndex).toBe(2);
});

test('a character cut in two by its chunks is whole again', () => {
  expect(linesOf(bytes(0x63, 0xc3), bytes(0xa9, 0x0a))).toEqual(['cé']);
});

test('bytes that are no UTF-8 become replacement characters, not lost lines', () => {
  expect(linesOf(bytes(0xff, 0x0a), 'next\n')).toEqual(['\ufffd', 'next']);
  expect(linesOf(bytes(0x61, 0xc3), 'b\n')).toEqual(['a\ufffdb']);
});

test('colours last beyond the line that set them, and a line knows those at its start', () => {
  const buffer = new LogBuffer();
  buffer.append(`${ESC}[1;31mred\nstill\n${ESC}[39mbold\n${ESC}[0mplain\nrest\n`, false);
  expect(buffer.lines.map(({ style }) => style)).toEqual(['', '1;31', '1;31', '1', '']);
});

test('terminal commands are left out, also when a chunk cuts them in two', () => {
  expect(linesOf(`${ESC}[2K${ESC}[1Gtext${ESC}[K\n`)).toEqual(['text']);
  expect(linesOf(`${ESC}]0;title\u0007text\n`, `${ESC}]8;;http://x${ESC}\\link\n`)).toEqual(['text', 'link']);
  expect(linesOf(`a${ESC}`, `[3`, `1mb\n`)).toEqual([`a${ESC}[31mb`]);
  expect(linesOf('bell\u0007 tab\tkept\n')).toEqual(['bell tab\tkept']);
});

test('a very long line goes on in another', () => {
  const lines = linesOf('x'.repeat(20_000), 'y'.repeat(10), '\n');
  expect(lines.length).toBe(2);
  expect(lines.join('')).toHaveLength(20_010);
});

test('of more lines than it keeps, the oldest are dropped and counted', () => {
  const buffer = new LogBuffer({ maxLines: 100 });
  for (let i = 1; i <= 250; i++) buffer.append(`${i}\n`, false);
  expect(buffer.lines.at(-1)?.text).toBe('250');
  expect(buffer.dropped + buffer.lines.length).toBe(250);
  expect(buffer.lines.length).toBeLessThanOrEqual(110);
});

test('the end completes what was cut off', () => {
  const buffer = new LogBuffer();
  buffer.append(bytes(0x61, 0xc3), false);
  buffer.end();
  expect(logText(buffer.lines)).toBe('a\ufffd');
  expect(buffer.firstOpenIndex).toBe(1);
});

test('the text to copy has no escapes', () => {
  const buffer = new LogBuffer();
  buffer.append(`${ESC}[32m✓${ESC}[39m one\ntwo\n`, false);
  expect(logText(buffer.lines)).toBe('✓ one\ntwo');
});

test('10,000 lines take well under a second', () => {
  const started = performance.now();
  const buffer = new LogBuffer();
  for (let i = 0; i < 10_000; i++)
    buffer.append(` ${ESC}[32m✓${ESC}[39m test ${i} ${ESC}[2m3 ms${ESC}[22m\n`, false);
  expect(buffer.lines).toHaveLength(10_000);
  expect(performance.now() - started).toBeLessThan(1000);
});
