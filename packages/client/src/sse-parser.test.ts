import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type SseBlock, SseParser } from './sse-parser.ts';

const encoder = new TextEncoder();

function parse(chunks: readonly Uint8Array[]): SseBlock[] {
  const blocks: SseBlock[] = [];
  const parser = new SseParser((block) => blocks.push(block));
  for (const chunk of chunks) parser.push(chunk);
  return blocks;
}

const parseText = (text: string): SseBlock[] => parse([encoder.encode(text)]);

test('a block has its event, id, and data lines joined by line feeds', () => {
  expect(parseText('id: c1\nevent: task.progress\ndata: {"a":\ndata: 1}\n\n')).toEqual([
    { event: 'task.progress', data: '{"a":\n1}', id: 'c1', retry: undefined },
  ]);
});

test('a block without an event name is a message', () => {
  expect(parseText('data: x\n\n')).toMatchObject([{ event: 'message', data: 'x' }]);
});

test('one space after the colon is taken off, no more', () => {
  expect(parseText('data:x\n\ndata:  y\n\ndata\n\n').map(({ data }) => data)).toEqual(['x', ' y', '']);
});

test('[SSE-3] [SSE-4] comments mean nothing, and blocks without data still tell their id and retry', () => {
  expect(parseText(': hello\nretry: 2000\nid: c1\n\n: beat\n\n')).toEqual([
    { event: 'message', data: undefined, id: 'c1', retry: 2000 },
  ]);
});

test('of two byte order marks one is taken off, wherever the stream is cut', () => {
  // Found by fuzzing: Node's decoder takes off both when the first is cut in two.
  const bytes = encoder.encode('\ufeff\ufeffdata: a\n\ndata: b\n\n');
  const whole = parse([bytes]);
  expect(whole.map(({ data }) => data)).toEqual(['b']);
  for (let cut = 0; cut <= bytes.length; cut++) {
    for (let next = cut; next <= bytes.length; next++) {
      expect(parse([bytes.slice(0, cut), bytes.slice(cut, next), bytes.slice(next)])).toEqual(whole);
    }
  }
});

test('lines end with LF, CR or CRLF, and a byte order mark is not part of the first', () => {
  expect(parseText('\ufeffdata: a\r\rdata: b\r\n\r\ndata: c\n\n').map(({ data }) => data)).toEqual([
    'a',
    'b',
    'c',
  ]);
});

test('an id with a NUL and a retry that is no number are ignored', () => {
  expect(parseText('id: a\0b\nretry: 2s\ndata: x\n\n')).toEqual([
    { event: 'message', data: 'x', id: undefined, retry: undefined },
  ]);
});

test('a block that the stream does not finish is not reported', () => {
  expect(parseText('data: x\n')).toEqual([]);
});

test('the stream may be cut anywhere, within characters and CRLFs too', () => {
  const line = fc.oneof(
    fc.constantFrom(
      '',
      'data: x',
      'data: grüße 🌊',
      'id: c9',
      'event: e',
      ': c',
      'data',
      'retry: 5',
      'data: ',
      ':',
    ),
    fc.string({ unit: 'grapheme', maxLength: 8 }).map((text) => text.replaceAll(/[\r\n]/g, '')),
  );
  const lines = fc.array(fc.tuple(line, fc.constantFrom('\n', '\r', '\r\n')), { maxLength: 20 });
  fc.assert(
    fc.property(lines, fc.array(fc.nat(200), { maxLength: 12 }), (parts, cuts) => {
      const bytes = encoder.encode(parts.flat().join(''));
      const places = [
        0,
        ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b),
        bytes.length,
      ];
      const chunks = places.slice(1).map((end, i) => bytes.slice(places[i], end));
      expect(parse(chunks)).toEqual(parse([bytes]));
    }),
    { numRuns: 1000 },
  );
});
