import { expect, test } from 'vitest';
import { governedFiles, seamProblems } from './check-seams.ts';
import { markedLines, placesOf } from './marked-lines.ts';
import { workspaceRoot } from './source-files.ts';

test('finds global clocks, timers, randomness and sockets, and leaves injected ones alone', () => {
  const violations = 'scripts/fixtures/seams/violations.ts';
  expect(placesOf(seamProblems([violations])).sort()).toEqual(markedLines(violations).sort());
});

test('governs hub, sessions and SDK without their tests', () => {
  for (const file of governedFiles(workspaceRoot)) {
    expect(file).toMatch(/^packages\/(server\/src\/(hub|session)|client\/src)\//);
    expect(file).not.toContain('.test.');
  }
});
