import { PassThrough, Writable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { beforeEach, expect, test, vi } from 'vitest';
import { ChildOutput } from './child-output.ts';
import type { Recording } from './recording.ts';

interface Output {
  readonly output: string;
  readonly is_stderr: boolean;
}

function setUp() {
  const recorded: Output[] = [];
  const state = { full: false, room: Promise.withResolvers<void>() };
  const recording: Recording = {
    record: (_event, data) => recorded.push(data as unknown as Output),
    get full() {
      return state.full;
    },
    room: () => state.room.promise,
  };
  const output = new ChildOutput(recording);
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const passed: string[] = [];
  const target = (name: string) =>
    new Writable({
      write(chunk, _encoding, done) {
        passed.push(`${name}:${chunk}`);
        done();
      },
    });
  void output.attach('stdout', stdout, target('out'));
  void output.attach('stderr', stderr, target('err'));
  return { output, stdout, stderr, recorded, passed, state };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  return () => vi.useRealTimers();
});

test('passes on at once, records together in the order it came', async () => {
  const { stdout, stderr, recorded, passed } = setUp();
  stdout.write('a');
  await turn();
  stderr.write('b');
  await turn();
  stdout.write('c');
  await turn();
  expect(passed).toEqual(['out:a', 'err:b', 'out:c']);
  expect(recorded).toEqual([]);
  vi.advanceTimersByTime(20);
  expect(recorded.map(({ output, is_stderr }) => [output, is_stderr])).toEqual([
    ['a', false],
    ['b', true],
    ['c', false],
  ]);
});

test('does not wait when there is much', async () => {
  const { stdout, recorded } = setUp();
  stdout.write('x'.repeat(48 * 1024));
  await turn();
  expect(recorded).toHaveLength(1);
});

test('reads nothing while the recording is full', async () => {
  const { stdout, stderr, passed, state } = setUp();
  state.full = true;
  stdout.write('a');
  await turn();
  vi.advanceTimersByTime(20);
  stdout.write('b');
  stderr.write('c');
  await turn();
  expect(passed).toEqual(['out:a']);
  state.full = false;
  state.room.resolve();
  await turn();
  await turn();
  expect([...passed].sort()).toEqual(['err:c', 'out:a', 'out:b']);
});

test('reads a stream no faster than ours takes it', async () => {
  const { output } = setUp();
  const source = new PassThrough();
  const writes: { readonly text: string; readonly done: () => void }[] = [];
  const slow = new Writable({
    highWaterMark: 1,
    write: (chunk, _encoding, done) => writes.push({ text: String(chunk), done }),
  });
  void output.attach('stdout', source, slow);
  source.write('a');
  await turn();
  source.write('b');
  await turn();
  expect(writes.map(({ text }) => text)).toEqual(['a']);
  writes[0]?.done();
  await turn();
  await turn();
  expect(writes.map(({ text }) => text)).toEqual(['a', 'b']);
});

test('the child’s pipe is closed when nobody reads ours any more', async () => {
  const { output } = setUp();
  const source = new PassThrough();
  const broken = new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error('broken pipe'), { code: 'EPIPE' })),
  });
  void output.attach('stdout', source, broken);
  source.write('a');
  await turn();
  await turn();
  expect(source.destroyed).toBe(true);
});

test('the end records what was left', async () => {
  const { output, stdout, recorded } = setUp();
  stdout.end('last');
  await turn();
  output.end();
  expect(recorded.map(({ output: text }) => text)).toEqual(['last']);
});
