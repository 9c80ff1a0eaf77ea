import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type OutputChunk, OutputChunker, type StreamName } from './output-chunker.ts';

function bytesOf(chunks: readonly OutputChunk[], stream: StreamName): Buffer {
  return Buffer.concat(
    chunks
      .filter((chunk) => chunk.stream === stream)
      .map(({ output, encoding }) => Buffer.from(output, encoding ?? 'utf8')),
  );
}

function jsonBytes({ output }: OutputChunk): number {
  return Buffer.byteLength(JSON.stringify(output)) - 2;
}

const stream = fc.constantFrom<StreamName>('stdout', 'stderr');
const text = fc.string({
  unit: fc.oneof(fc.constant('"'), fc.constant('\u0001'), fc.string({ unit: 'binary' })),
});
// Text cut anywhere, also inside characters, and bytes that are no text at all.
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  text.map((value) => Uint8Array.from(Buffer.from(value))),
  fc.tuple(text, fc.nat(3)).map(([value, cut]) => Uint8Array.from(Buffer.from(value).subarray(cut))),
);
const writes = fc.array(fc.record({ stream, bytes, takeAfter: fc.boolean() }), { maxLength: 30 });

describe('OutputChunker', () => {
  test('any bytes in any splits come out as the same bytes, each chunk within its bound', () => {
    fc.assert(
      fc.property(writes, fc.integer({ min: 6, max: 100 }), (steps, maxJsonBytes) => {
        const chunker = new OutputChunker(maxJsonBytes);
        const chunks: OutputChunk[] = [];
        for (const step of steps) {
          chunker.push(step.stream, step.bytes);
          if (step.takeAfter) chunks.push(...chunker.take());
        }
        chunks.push(...chunker.end());
        for (const name of ['stdout', 'stderr'] as const) {
          const written = Buffer.concat(
            steps.filter((step) => step.stream === name).map((step) => step.bytes),
          );
          expect(bytesOf(chunks, name).equals(written)).toBe(true);
        }
        for (const chunk of chunks) {
          expect(jsonBytes(chunk)).toBeLessThanOrEqual(maxJsonBytes);
          expect(chunk.output).not.toBe('');
        }
      }),
      { numRuns: 500 },
    );
  });

  test('text in any splits stays text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', minLength: 1 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 5 })),
        (value, sizes) => {
          const chunker = new OutputChunker(1000);
          const chunks: OutputChunk[] = [];
          let rest = Buffer.from(value);
          while (rest.length > 0) {
            const size = sizes.next().value ?? 1;
            chunker.push('stdout', rest.subarray(0, size));
            chunks.push(...chunker.take());
            rest = rest.subarray(size);
          }
          chunks.push(...chunker.end());
          expect(chunks.every(({ encoding }) => encoding === undefined)).toBe(true);
          expect(chunks.map(({ output }) => output).join('')).toBe(value);
        },
      ),
    );
  });

  test('keeps the order of the streams and joins neighbours', () => {
    const chunker = new OutputChunker(1000);
    chunker.push('stdout', Buffer.from('a'));
    chunker.push('stdout', Buffer.from('b'));
    chunker.push('stderr', Buffer.from('c'));
    chunker.push('stdout', Buffer.from('d'));
    expect(chunker.bytes).toBe(4);
    expect(chunker.take()).toEqual([
      { stream: 'stdout', output: 'ab' },
      { stream: 'stderr', output: 'c' },
      { stream: 'stdout', output: 'd' },
    ]);
    expect(chunker.bytes).toBe(0);
  });

  test('control characters, which JSON writes as six bytes, do not break the bound', () => {
    const chunker = new OutputChunker(60_000);
    chunker.push('stdout', Buffer.alloc(64 * 1024, 0x1b));
    const chunks = chunker.take();
    expect(chunks).toHaveLength(7);
    expect(chunks.every((chunk) => jsonBytes(chunk) <= 60_000)).toBe(true);
  });

  test('a byte order mark is kept', () => {
    const chunker = new OutputChunker(1000);
    chunker.push('stdout', Buffer.from('\ufeffx'));
    expect(chunker.take()).toEqual([{ stream: 'stdout', output: '\ufeffx' }]);
  });

  test('a character that never gets its rest comes out at the end, as base64', () => {
    const chunker = new OutputChunker(1000);
    chunker.push('stderr', Uint8Array.of(0x61, 0xe2, 0x82));
    expect(chunker.take()).toEqual([{ stream: 'stderr', output: 'a' }]);
    expect(chunker.end()).toEqual([{ stream: 'stderr', output: '4oI=', encoding: 'base64' }]);
  });
});
