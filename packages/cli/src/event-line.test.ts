import type { MillraceEvent } from '@millrace/protocol';
import { expect, test } from 'vitest';
import { formatEvent } from './event-line.ts';

const event: MillraceEvent = {
  topic: 'task.build-7',
  event: 'task.failed',
  id: 'a-1',
  offset: 1,
  epoch: 'e',
  timestamp: '2026-11-20T12:34:56.789Z',
  data: { text: 'a\u001b[31m\u009bb', n: 1 },
};

test('a line has time, topic, event and compact data', () => {
  expect(formatEvent({ ...event, key: 'k', sealed: true }, false)).toMatch(
    /^\d\d:34:56\.789 {2}task\.build-7 {2}task\.failed {2}\[k\] {2}\{"text":"a\\u001b\[31m\\u009bb","n":1\} {2}\(sealed\)$/,
  );
});

test('data cannot drive a terminal', () => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  expect(formatEvent(event, false)).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
});

test('colours are for those who want them', () => {
  expect(formatEvent(event, false)).not.toContain('\u001b');
  expect(formatEvent(event, true)).toContain('\u001b[31mtask.failed');
});
