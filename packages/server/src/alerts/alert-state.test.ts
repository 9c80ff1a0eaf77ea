import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AlertState, advance, type Holds, isIncident, type MissingOutcome } from './alert-state.ts';
import { type Thresholds, thresholdOf, type Zone, zoneOf } from './thresholds.ts';

const OK: AlertState = { kind: 'ok' };

/** A value's zone from one second to the next. */
type Course = readonly (Zone | 'missing')[];

/** The states after each second of a course. */
function run(course: Course, holds: Holds, from: AlertState = OK): AlertState[] {
  let state = from;
  return course.map((zone, second) => {
    state = advance(state, zone, second * 1000, holds);
    return state;
  });
}

const fires = (states: readonly AlertState[]): number =>
  states.filter((state, i) => isIncident(state) && !isIncident(states[i - 1] ?? OK)).length;
const resolves = (states: readonly AlertState[]): number =>
  states.filter((state, i) => !isIncident(state) && isIncident(states[i - 1] ?? OK)).length;

const seconds = fc.integer({ min: 0, max: 8 });
const holdsOf = (forSeconds: number, resolveSeconds: number, missing: MissingOutcome = 'keep'): Holds => ({
  forMs: forSeconds * 1000,
  resolveForMs: resolveSeconds * 1000,
  missing,
});
const anyHolds = fc
  .tuple(seconds, seconds, fc.constantFrom<MissingOutcome[]>('keep', 'resolve', 'fire'))
  .map(([forSeconds, resolveSeconds, missing]) => holdsOf(forSeconds, resolveSeconds, missing));
const zone = fc.constantFrom<Zone[]>('wrong', 'between', 'right');
const anyZone = fc.constantFrom<(Zone | 'missing')[]>('wrong', 'between', 'right', 'missing');

describe('zones', () => {
  const hysteresis: Thresholds = { above: 90, resolveBelow: 80 };
  test.each([
    [hysteresis, 91, 'wrong'],
    [hysteresis, 90, 'between'],
    [hysteresis, 81, 'between'],
    [hysteresis, 80, 'right'],
    [{ below: 0.5, resolveAbove: 0.7 }, 0.4, 'wrong'],
    [{ below: 0.5, resolveAbove: 0.7 }, 0.5, 'between'],
    [{ below: 0.5, resolveAbove: 0.7 }, 0.7, 'right'],
    [{ above: 10 }, 10, 'right'],
    [{ above: 10, below: 2, resolveBelow: 9, resolveAbove: 3 }, 1, 'wrong'],
    [{ above: 10, below: 2, resolveBelow: 9, resolveAbove: 3 }, 2.5, 'between'],
    [{ above: 10, below: 2, resolveBelow: 9, resolveAbove: 3 }, 5, 'right'],
    [{ above: 10, below: 2, resolveBelow: 9, resolveAbove: 3 }, 11, 'wrong'],
  ] as [Thresholds, number, Zone][])('of %j, %d is %s', (thresholds, value, expected) => {
    expect(zoneOf(thresholds, value)).toBe(expected);
  });

  test('a wrong value broke the bound on its side', () => {
    const both = { above: 10, below: 2 };
    expect([thresholdOf(both, 11), thresholdOf(both, 1)]).toEqual([10, 2]);
  });
});

describe('an alert', () => {
  test('fires when a value has been wrong for long enough, and is resolved when it has been right for long enough', () => {
    const course: Course = ['right', 'wrong', 'wrong', 'wrong', 'right', 'right', 'right'];
    expect(run(course, holdsOf(2, 2)).map(({ kind }) => kind)).toEqual([
      'ok',
      'pending',
      'pending',
      'firing',
      'resolving',
      'resolving',
      'ok',
    ]);
  });

  test('without a hold time it fires, and is resolved, at once', () => {
    expect(run(['wrong', 'right'], holdsOf(0, 0)).map(({ kind }) => kind)).toEqual(['firing', 'ok']);
  });

  test('a value between the bounds neither starts nor stops anything, and fires nothing', () => {
    const course: Course = ['between', 'wrong', 'between', 'between', 'wrong', 'between', 'right', 'between'];
    expect(run(course, holdsOf(2, 1)).map(({ kind }) => kind)).toEqual([
      'ok',
      'pending',
      'pending',
      'pending',
      'firing',
      'firing',
      'resolving',
      'firing',
    ]);
  });

  test.each([
    ['keep', ['ok', 'ok', 'firing', 'firing']],
    ['resolve', ['ok', 'ok', 'ok', 'ok']],
    ['fire', ['firing', 'firing', 'firing', 'firing']],
  ] as [MissingOutcome, string[]][])('when nothing is heard any more, "%s" decides', (missing, expected) => {
    const states: AlertState[] = [
      OK,
      { kind: 'pending', sinceMs: 0 },
      { kind: 'firing' },
      { kind: 'resolving', sinceMs: 0 },
    ];
    expect(states.map((state) => advance(state, 'missing', 500, holdsOf(5, 5, missing)).kind)).toEqual(
      expected,
    );
  });

  test('[any course] fires exactly when it has been wrong at both ends of the hold time and never right within', () => {
    fc.assert(
      fc.property(
        fc.array(zone, { maxLength: 60 }),
        seconds,
        seconds,
        (course, forSeconds, resolveSeconds) => {
          const states = run(course, holdsOf(forSeconds, resolveSeconds));
          states.forEach((state, i) => {
            if (!isIncident(state) || isIncident(states[i - 1] ?? OK)) return;
            expect(course[i]).toBe('wrong');
            expect(course.slice(Math.max(0, i - forSeconds), i + 1)).not.toContain('right');
            expect(i).toBeGreaterThanOrEqual(forSeconds);
          });
        },
      ),
    );
  });

  test('[any course] says nothing twice: every incident fires once and is resolved once', () => {
    fc.assert(
      fc.property(fc.array(anyZone, { maxLength: 80 }), anyHolds, (course, holds) => {
        const states = run(course, holds);
        const open = isIncident(states.at(-1) ?? OK) ? 1 : 0;
        expect(fires(states)).toBe(resolves(states) + open);
      }),
    );
  });

  test('[any course] is resolved only after it was right without a break for the whole time', () => {
    fc.assert(
      fc.property(
        fc.array(zone, { maxLength: 60 }),
        seconds,
        seconds,
        (course, forSeconds, resolveSeconds) => {
          const states = run(course, holdsOf(forSeconds, resolveSeconds));
          states.forEach((state, i) => {
            if (isIncident(state) || !isIncident(states[i - 1] ?? OK)) return;
            const held = course.slice(i - resolveSeconds, i + 1);
            expect(held).toEqual(Array.from({ length: resolveSeconds + 1 }, () => 'right'));
          });
        },
      ),
    );
  });

  test('[noise] that is never right for as long as the resolve time fires one incident, however it jumps', () => {
    const noisy = fc
      .tuple(fc.integer({ min: 1, max: 6 }), fc.array(zone, { minLength: 20, maxLength: 200 }))
      .map(([resolveSeconds, jumps]) => {
        // Every stretch of right values is broken before it is long enough.
        const course = jumps.map((jump, i) => (i % (resolveSeconds + 1) === 0 ? 'wrong' : jump));
        return { course, resolveSeconds };
      });
    fc.assert(
      fc.property(noisy, ({ course, resolveSeconds }) => {
        const states = run(course, holdsOf(0, resolveSeconds));
        expect([fires(states), resolves(states)]).toEqual([1, 0]);
      }),
    );
  });

  test('[noise] that is smaller than the distance of the two bounds fires and is resolved once for each time that the level changes', () => {
    const level = fc.constantFrom('high', 'low');
    const noise = fc.double({ min: -9, max: 9, noNaN: true });
    const thresholds: Thresholds = { above: 90, resolveBelow: 70 };
    const phases = fc.array(fc.record({ level, noise: fc.array(noise, { minLength: 10, maxLength: 30 }) }), {
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(phases, (wave) => {
        const course = wave.flatMap((phase) =>
          phase.noise.map((n) => zoneOf(thresholds, (phase.level === 'high' ? 99.5 : 60) + n)),
        );
        const levels = wave.map((phase) => phase.level).filter((l, i, all) => l !== all[i - 1]);
        const states = run(course, holdsOf(3, 3));
        expect(fires(states)).toBe(levels.filter((l) => l === 'high').length);
      }),
    );
  });

  test('[any course] asking more often changes nothing about when it fires', () => {
    fc.assert(
      fc.property(fc.array(zone, { maxLength: 40 }), anyHolds, (course, holds) => {
        let often: AlertState = OK;
        const states = course.map((each, second) => {
          often = advance(often, each, second * 1000, holds);
          const atStart = often.kind;
          // Until the next value comes, the last one stands.
          for (const partMs of [250, 500, 750]) often = advance(often, each, second * 1000 + partMs, holds);
          return atStart;
        });
        expect(states).toEqual(run(course, holds).map(({ kind }) => kind));
      }),
    );
  });
});
