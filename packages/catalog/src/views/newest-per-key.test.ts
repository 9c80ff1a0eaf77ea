import type { MillraceEvent } from '@millrace/protocol';
import { expect, test } from 'vitest';
import { latestView } from './latest.ts';

let offset = 0;
function event(key: string, data: unknown): MillraceEvent {
  offset++;
  return {
    topic: 'a.b',
    event: 'x',
    key,
    data,
    id: `e${offset}`,
    epoch: 'e',
    offset,
    timestamp: '2026-11-20T12:00:00.000Z',
  };
}

const fold = (events: readonly MillraceEvent[], state = latestView.initial()) =>
  events.reduce((before, next) => latestView.fold(before, next), state);

// A thousand events of 10 KB once made a state that was too large to be given to anybody.
test('however large its events are, the state is bounded, and the quietest keys go first', () => {
  const events = Array.from({ length: 1000 }, (_, n) => event(`k${n}`, 'x'.repeat(10_000)));
  const state = fold(events);
  expect(JSON.stringify(state).length).toBeLessThan(1_050_000);
  expect(state.events).toHaveLength(99);
  expect(state.events.at(-1)?.key).toBe('k999');
});

test('one event is kept whatever its length, and room comes back when keys shrink', () => {
  const huge = fold([event('a', 1), event('huge', 'x'.repeat(2_000_000))]);
  expect(huge.events.map(({ key }) => key)).toEqual(['huge']);
  const small = fold([event('huge', 1), event('b', 2)], huge);
  expect(small.events.map(({ key }) => key)).toEqual(['huge', 'b']);
});

test('a state that was stored folds on as if it had not been', () => {
  const events = Array.from({ length: 300 }, (_, n) => event(`k${n % 70}`, 'x'.repeat((n * 7919) % 40_000)));
  for (const cut of [1, 50, 150, 299]) {
    const stored = JSON.parse(JSON.stringify(fold(events.slice(0, cut)))) as ReturnType<typeof fold>;
    expect(fold(events.slice(cut), stored)).toEqual(fold(events));
  }
});
