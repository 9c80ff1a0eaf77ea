// Hub, sessions and SDK receive clock, turn scheduler, randomness and sockets from outside, so that a simulation can
// run the real code. What is forbidden stands in seams.oxlintrc.json.

import { join, relative, sep } from 'node:path';
import { oxlintProblems } from './oxlint.ts';
import { reportProblems } from './report-problems.ts';
import { isTest, sourceFiles, workspaceRoot } from './source-files.ts';

const governed = ['packages/server/src/hub', 'packages/server/src/session', 'packages/client/src'];

/** Where the real globals are bound. Keep it short. */
const allowed: readonly string[] = ['packages/client/src/platform.ts', 'packages/client/src/process-end.ts'];

/** `files` are relative to the workspace root. */
export function seamProblems(files: readonly string[]): string[] {
  return files.length === 0 ? [] : oxlintProblems('seams.oxlintrc.json', ...files);
}

export function governedFiles(root: string): string[] {
  return governed
    .flatMap((folder) => sourceFiles(join(root, folder)))
    .map((file) => relative(root, file).split(sep).join('/'))
    .filter((file) => !isTest(file) && !allowed.includes(file));
}

if (import.meta.main) reportProblems('seams', seamProblems(governedFiles(workspaceRoot)));
