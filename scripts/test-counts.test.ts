import { expect, test } from 'vitest';
import { countsLine, countTests } from './test-counts.ts';

const report = {
  success: true,
  numPassedTests: 3,
  numFailedTests: 0,
  numPendingTests: 0,
  numTodoTests: 0,
  testResults: [{ status: 'passed', assertionResults: [{ status: 'passed' }] }],
};

test('counts passed and failed tests', () => {
  expect(countsLine(countTests(report))).toBe('3 passed, 0 failed');
});

test('mentions skipped and planned tests only when there are some', () => {
  const counts = countTests({ ...report, numPendingTests: 1, numTodoTests: 1 });
  expect(countsLine(counts)).toBe('3 passed, 0 failed, 2 skipped');
});

test('counts a file that could not be loaded as a failure', () => {
  const testResults = [...report.testResults, { status: 'failed', assertionResults: [] }];
  expect(countTests({ ...report, success: false, testResults }).failed).toBe(1);
});

test('does not count a file beside its own failed test', () => {
  const testResults = [{ status: 'failed', assertionResults: [{ status: 'failed' }] }];
  expect(countTests({ ...report, success: false, numFailedTests: 1, testResults }).failed).toBe(1);
});
