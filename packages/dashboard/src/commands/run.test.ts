import type { MillraceEvent } from '@millrace/protocol';
import { expect, test } from 'vitest';
import { foldRun, NEW_RUN, outcomeLabel, quoteForShell, type Run, readOutput } from './run.ts';

const event = (name: string, data: unknown): MillraceEvent => ({
  topic: 'tool.x',
  event: name,
  id: '1',
  offset: 1,
  epoch: 'e',
  timestamp: '2026-11-20T12:00:00.000Z',
  data,
});

const fold = (...events: readonly (readonly [string, unknown])[]): Run =>
  events.map(([name, data]) => event(name, data)).reduce(foldRun, NEW_RUN);

const started = ['tool.started', { command: 'npm', args: ['run', 'a b'], cwd: '/work', pid: 7 }] as const;

test('a run that has started is running', () => {
  expect(fold(started)).toEqual({
    command: "npm run 'a b'",
    cwd: '/work',
    pid: 7,
    startedAt: '2026-11-20T12:00:00.000Z',
    outcome: { kind: 'running' },
  });
});

test('a run ends with its exit code', () => {
  const run = fold(started, ['tool.completed', { exit_code: 3, duration_ms: 1200 }]);
  expect(run.outcome).toEqual({ kind: 'exited', exitCode: 3 });
  expect(run.durationMs).toBe(1200);
  expect(outcomeLabel(run.outcome)).toBe('Exit 3');
});

test('a run that a signal ended says which', () => {
  const run = fold(started, ['tool.completed', { exit_code: 143, signal: 'SIGTERM', duration_ms: 1 }]);
  expect(outcomeLabel(run.outcome)).toBe('SIGTERM');
});

test('a command that could not be started has only its failure', () => {
  const run = fold(['tool.failed', { command: 'nope', args: [], error: 'not found', exit_code: 127 }]);
  expect(run.command).toBe('nope');
  expect(run.outcome).toEqual({ kind: 'failed', message: 'not found' });
});

test('the time is the producer’s where it says one', () => {
  const run = fold(['tool.started', { command: 'x', producedAt: '2026-11-20T11:59:00.000Z' }]);
  expect(run.startedAt).toBe('2026-11-20T11:59:00.000Z');
});

test('events with data of another shape do no harm', () => {
  expect(fold(['tool.started', null], ['tool.completed', 'x'], ['other', {}]).outcome).toEqual({
    kind: 'exited',
    exitCode: 0,
  });
});

test('output is text, or bytes where it was no text', () => {
  expect(readOutput(event('tool.output', { output: 'hi', is_stderr: true }))).toEqual({
    output: 'hi',
    isStderr: true,
  });
  expect(readOutput(event('tool.output', { output: '/wA=', encoding: 'base64' }))).toEqual({
    output: new Uint8Array([0xff, 0]),
    isStderr: false,
  });
  expect(readOutput(event('tool.output', {}))).toBeUndefined();
  expect(readOutput(event('tool.started', { output: 'hi' }))).toBeUndefined();
});

test.each([
  ['plain', 'plain'],
  ['', "''"],
  ['a b', "'a b'"],
  ["it's", `'it'\\''s'`],
])('%j is typed as %s', (word, typed) => {
  expect(quoteForShell(word)).toBe(typed);
});

test('a run that was told to end says so, and by whom', () => {
  const run = fold(started, [
    'tool.completed',
    { exit_code: 143, signal: 'SIGTERM', reason: 'cancelled', cancelled_by: 'ann' },
  ]);
  expect(run.outcome).toEqual({ kind: 'stopped', reason: 'cancelled', by: 'ann' });
  expect(outcomeLabel(run.outcome)).toBe('Cancelled');
});

test('a run says what may be done to it', () => {
  const run = fold([
    'tool.started',
    { execution_id: 'x', control: ['cancel'], pty: { columns: 80, rows: 24 } },
  ]);
  expect(run).toMatchObject({ executionId: 'x', control: ['cancel'], pty: { columns: 80, rows: 24 } });
});
