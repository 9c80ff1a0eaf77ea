import { expect, test } from 'vitest';
import { isSound, renderScenario } from './report.ts';
import type { ScenarioResult } from './rounds.ts';
import type { Outcome, Target } from './scenario.ts';

const target: Target = { text: 'half of it', side: 'ours', metric: 'us', relativeTo: 'theirs', atMost: 0.5 };

function resultOf(ours: readonly number[], problems: readonly string[] = []): ScenarioResult {
  const outcomes = (values: readonly number[]): Outcome[] =>
    values.map((us) => ({ figures: { us }, problems: [] }));
  return {
    scenario: {
      name: 'some',
      title: 'Some',
      metrics: [{ key: 'us', title: 'µs', digits: 1 }],
      sides: [],
      relativeTo: { side: 'theirs', metric: 'us' },
      targets: [target],
    },
    outcomes: new Map([
      ['ours', outcomes(ours)],
      ['theirs', outcomes([10, 20, 30])],
    ]),
    skipped: new Map([['another', 'it is not installed']]),
    problems,
  };
}

test('a ratio compares figures of the same round', () => {
  expect(renderScenario(resultOf([1, 4, 9]))).toMatch(/4\.0 \(1\.0–9\.0\) \| +0\.20 \(0\.10–0\.30\)/);
});

test('a target is met or missed by the median', () => {
  expect(renderScenario(resultOf([1, 4, 30]))).toContain('Target met: half of it. Measured: 0.20');
  expect(renderScenario(resultOf([1, 14, 30]))).toContain('**Target missed**: half of it. Measured: 0.70');
});

test('what was left out and what went wrong is said', () => {
  const result = resultOf([1, 2, 3], ['ours, round 2: 1 gap']);
  expect(renderScenario(result)).toContain('**Left out: another**, because it is not installed.');
  expect(renderScenario(result)).toContain('**FAILED RUN: ours, round 2: 1 gap.**');
  expect(isSound(result)).toBe(false);
  expect(isSound(resultOf([1, 2, 3]))).toBe(true);
});
