// Every promise is awaited, returned, caught or marked with `void`.

import { relative } from 'node:path';
import { oxlintProblems } from './oxlint.ts';
import { reportProblems } from './report-problems.ts';
import { sourceFiles, workspaceRoot } from './source-files.ts';

/** `files` are relative to the workspace root. */
export function floatingPromises(files: readonly string[]): string[] {
  return files.length === 0
    ? []
    : oxlintProblems('floating-promises.oxlintrc.json', '--type-aware', ...files);
}

if (import.meta.main) {
  const files = sourceFiles(workspaceRoot).map((file) => relative(workspaceRoot, file));
  reportProblems('floating promises', floatingPromises(files));
}
