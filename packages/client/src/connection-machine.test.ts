import { MillraceError } from '@millrace/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  connectionStateOf,
  type Loss,
  type MachineEffect,
  type MachineInput,
  type MachineOptions,
  type MachineState,
  step,
} from './connection-machine.ts';

const options: MachineOptions = { minDelayMs: 100, maxDelayMs: 1500, maxAttempts: Infinity, stableMs: 5000 };
const error = new MillraceError('unavailable', 'gone');
const loss: Loss = { cause: 'closed', error, final: false };

const run = (
  inputs: readonly MachineInput[],
  settings = options,
): { state: MachineState; effects: readonly MachineEffect[] } => {
  let state: MachineState = { name: 'idle' };
  let effects: readonly MachineEffect[] = [];
  for (const input of inputs) [state, effects] = step(state, input, settings);
  return { state, effects };
};

const connect: MachineInput = { name: 'connect' };
const retry: MachineInput = { name: 'retry' };
const welcomed: MachineInput = { name: 'welcomed', atMs: 0 };
const lost = (over: Partial<Extract<MachineInput, { name: 'lost' }>> = {}): MachineInput => {
  return { name: 'lost', atMs: 10_000, random: 0.5, loss, ...over };
};

test('the first attempt after a connection that stood is made at once', () => {
  const { state, effects } = run([connect, welcomed, lost()]);
  expect(connectionStateOf(state)).toBe('disconnected');
  expect(effects).toEqual([{ name: 'drop' }, { name: 'delay', delayMs: 0 }]);
});

test('failed attempts are followed by random delays below a bound that doubles up to its limit', () => {
  const failures = (count: number): MachineInput[] =>
    Array.from({ length: count }, () => [retry, lost()]).flat();
  const delays = [1, 2, 3, 4, 5, 6, 60].map(
    (count) => run([connect, welcomed, lost(), ...failures(count)]).effects[1],
  );
  expect(delays.map((effect) => effect?.name === 'delay' && effect.delayMs)).toEqual([
    50, 100, 200, 400, 750, 750, 750,
  ]);
});

test('a connection that is taken and dropped counts as a failed attempt', () => {
  const { state, effects } = run([connect, welcomed, lost({ atMs: 4999 })]);
  expect(state).toMatchObject({ name: 'waiting', attempts: 1 });
  expect(effects).toContainEqual({ name: 'delay', delayMs: 50 });
});

test('[CLOSE-2] the time that the server asks for is waited out, and a random one after it', () => {
  const { effects } = run([connect, welcomed, lost({ loss: { ...loss, retryAfterMs: 3000 } })]);
  expect(effects).toContainEqual({ name: 'delay', delayMs: 3050 });
});

test('[CLOSE-1] a final loss is the end until the application connects again', () => {
  const told: MachineInput = lost({ loss: { ...loss, final: true } });
  const { state } = run([connect, welcomed, told]);
  expect(connectionStateOf(state)).toBe('reconnect_failed');
  expect(run([connect, welcomed, told, { name: 'wake' }, retry]).state.name).toBe('failed');
  expect(run([connect, welcomed, told, connect]).effects).toEqual([{ name: 'open' }]);
});

test('it gives up after maxAttempts failed attempts in a row', () => {
  const settings = { ...options, maxAttempts: 2 };
  expect(run([connect, lost()], settings).state.name).toBe('waiting');
  expect(run([connect, lost(), retry, lost()], settings).state.name).toBe('failed');
});

test('waking up cuts a delay short, and asks a standing connection whether it lives', () => {
  expect(run([connect, lost(), { name: 'wake' }]).effects).toEqual([
    { name: 'cancelDelay' },
    { name: 'open' },
  ]);
  expect(run([connect, welcomed, { name: 'wake' }]).effects).toEqual([{ name: 'probe' }]);
});

test('each cause of waiting is shown as itself', () => {
  const timeout: MachineInput = lost({ loss: { ...loss, cause: 'timeout' } });
  expect(connectionStateOf(run([connect, lost()]).state)).toBe('connect_error');
  expect(connectionStateOf(run([connect, timeout]).state)).toBe('timeout');
  expect(connectionStateOf(run([connect, welcomed, timeout]).state)).toBe('timeout');
  expect(connectionStateOf(run([connect, welcomed, lost()]).state)).toBe('disconnected');
});

const anyInput: fc.Arbitrary<MachineInput> = fc.oneof(
  fc.constant(connect),
  fc.constant(retry),
  fc.constant<MachineInput>({ name: 'wake' }),
  fc.record({ name: fc.constant('welcomed' as const), atMs: fc.nat(20_000) }),
  fc.record({
    name: fc.constant('lost' as const),
    atMs: fc.nat(40_000),
    random: fc.double({ min: 0, max: 0.999, noNaN: true }),
    loss: fc.record({
      cause: fc.constantFrom('closed' as const, 'timeout' as const),
      error: fc.constant(error),
      final: fc.constant(false),
      retryAfterMs: fc.option(fc.nat(10_000), { nil: undefined }),
    }),
  }),
);
const withEnds = fc.oneof(
  { weight: 20, arbitrary: anyInput },
  { weight: 1, arbitrary: fc.constant<MachineInput>({ name: 'stop' }) },
  { weight: 2, arbitrary: fc.constant<MachineInput>(lost({ loss: { ...loss, final: true } })) },
);

test('whatever happens, there is never more than one socket or delay, and never both', () => {
  const sequences = fc.array(withEnds, { maxLength: 60 });
  const settings = fc.record({ maxAttempts: fc.constantFrom(1, 3, Infinity) });
  fc.assert(
    fc.property(sequences, settings, (inputs, { maxAttempts }) => {
      let state: MachineState = { name: 'idle' };
      let socket = false;
      let delay = false;
      for (const input of inputs) {
        if (input.name === 'retry') {
          // Only a delay that is running can end.
          if (!delay) continue;
          delay = false;
        }
        const [next, effects] = step(state, input, { ...options, maxAttempts });
        for (const effect of effects) {
          if (effect.name === 'open') {
            expect(socket).toBe(false);
            socket = true;
          } else if (effect.name === 'drop') socket = false;
          else if (effect.name === 'cancelDelay') delay = false;
          else if (effect.name === 'delay') {
            expect(delay).toBe(false);
            delay = true;
            const asked = input.name === 'lost' ? (input.loss.retryAfterMs ?? 0) : 0;
            expect(effect.delayMs).toBeGreaterThanOrEqual(asked);
            expect(effect.delayMs).toBeLessThanOrEqual(asked + options.maxDelayMs);
          } else expect(socket).toBe(true);
        }
        expect(socket).toBe(next.name === 'opening' || next.name === 'open');
        expect(delay).toBe(next.name === 'waiting');
        if (state.name === 'stopped') expect(next).toBe(state);
        state = next;
      }
    }),
    { numRuns: 2000 },
  );
});
