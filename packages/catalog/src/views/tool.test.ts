import type { MillraceEvent } from '@millrace/protocol';
import { expect, test } from 'vitest';
import { type ToolRun, toolView } from './tool.ts';

const timestamp = '2026-01-01T00:00:00.000Z';

function runOf(...events: (readonly [event: string, data: object])[]): ToolRun {
  return events.reduce(
    (run, [event, data]) => toolView.fold(run, { event, data, timestamp } as MillraceEvent),
    toolView.initial(),
  );
}

const out = (output: string, more: object = {}) =>
  ['tool.output', { output, is_stderr: false, ...more }] as const;
const started = [
  'tool.started',
  { execution_id: 'x', command: 'npm', args: ['test'], pid: 7, control: ['cancel'] },
] as const;
const textOf = ({ output }: ToolRun): string => output.map(({ text }) => text).join('');

test('says what runs, and what it has written, neighbours of one stream joined', () => {
  expect(
    runOf(started, out('a'), out('b'), out('c', { is_stderr: true }), out('/w==', { encoding: 'base64' })),
  ).toEqual({
    status: 'running',
    execution_id: 'x',
    command: 'npm',
    args: ['test'],
    pid: 7,
    control: ['cancel'],
    started_at: timestamp,
    output: [
      { text: 'ab', is_stderr: false },
      { text: 'c', is_stderr: true },
      { text: '/w==', is_stderr: false, encoding: 'base64' },
    ],
    cut: 0,
  });
});

test('says how it ended', () => {
  const end = { exit_code: 143, duration_ms: 9, signal: 'SIGTERM', reason: 'cancelled' };
  expect(runOf(started, ['tool.completed', end])).toMatchObject({
    status: 'completed',
    ...end,
    ended_at: timestamp,
  });
  expect(runOf(started, ['tool.failed', { error: 'gone', reason: 'server-restarted' }])).toMatchObject({
    status: 'failed',
    error: 'gone',
    reason: 'server-restarted',
  });
});

test('keeps the last 64 KB of output, and says how much went before', () => {
  const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i} ✓\n`);
  const run = runOf(...lines.map((line) => out(line)));
  const whole = lines.join('');
  expect(textOf(run).length).toBe(64 * 1024);
  expect(whole.endsWith(textOf(run))).toBe(true);
  expect(run.cut).toBe(whole.length - textOf(run).length);
});

test('cuts no character in half, and base64 in whole groups', () => {
  expect(textOf(runOf(out('🚀'.repeat(40_000)), out('x'))).isWellFormed()).toBe(true);
  const base64 = Buffer.alloc(60_000, 0xff).toString('base64');
  const [first] = runOf(out(base64, { encoding: 'base64' }), out('x')).output;
  expect((first?.text.length ?? 1) % 4).toBe(0);
});

test('stays bounded when the streams take turns with every character', () => {
  const run = runOf(...Array.from({ length: 10_000 }, (_, i) => out('x', { is_stderr: i % 2 === 0 })));
  expect(JSON.stringify(run).length).toBeLessThan(200_000);
  expect(run.cut + textOf(run).length).toBe(10_000);
});
