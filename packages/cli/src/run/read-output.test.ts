import type { MillraceEvent } from '@millrace/client';
import { expect, test } from 'vitest';
import { readOutput } from './read-output.ts';

function event(name: string, data: unknown): MillraceEvent {
  return {
    topic: 'tool.x',
    event: name,
    id: 'i',
    offset: 1,
    epoch: 'e',
    timestamp: '2026-01-01T00:00:00.000Z',
    data,
  };
}

test.each([
  [{ output: 'a\u00e9\r', is_stderr: false }, Buffer.from('a\u00e9\r'), false],
  [{ output: '/wA=', is_stderr: true, encoding: 'base64' }, Buffer.from([0xff, 0x00]), true],
])('output is read as the bytes that were written: %j', (data, bytes, isStderr) => {
  expect(readOutput(event('tool.output', data))).toEqual({ bytes, isStderr });
});

test.each([
  ['tool.started', { output: 'a' }],
  ['tool.output', null],
  ['tool.output', { output: 7 }],
])('%s with %j is no output', (name, data) => {
  expect(readOutput(event(name, data))).toBeUndefined();
});
