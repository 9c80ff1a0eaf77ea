// All checks beside the tests, in sequence; each one runs even when an earlier one has failed.

import { spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { workspaceRoot } from './source-files.ts';

interface Check {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
}

const checks: readonly Check[] = [
  { name: 'format and lint', command: ['biome', 'ci'] },
  { name: 'types', command: ['tsc', '-b'] },
  { name: 'floating promises', command: ['node', 'scripts/check-floating-promises.ts'] },
  { name: 'layers', command: ['node', 'scripts/check-layers.ts'] },
  { name: 'seams', command: ['node', 'scripts/check-seams.ts'] },
  { name: 'protocol rules', command: ['node', 'scripts/check-rules.ts'] },
  {
    name: 'event reference',
    command: ['node', '--conditions=source', 'scripts/event-reference.ts', '--check'],
  },
];

/** Runs a command of this workspace, its output going to ours; true when it succeeded. */
export function runCommand([command, ...args]: readonly [string, ...string[]]): boolean {
  const tools = join(workspaceRoot, 'node_modules', '.bin');
  const env = { ...process.env, PATH: `${tools}${delimiter}${process.env.PATH ?? ''}` };
  const shell = process.platform === 'win32';
  return spawnSync(command, args, { cwd: workspaceRoot, env, shell, stdio: 'inherit' }).status === 0;
}

/** The names of the checks that failed. */
export function runChecks(): string[] {
  return checks
    .filter(({ name, command }) => {
      console.log(`\n── ${name}`);
      return !runCommand(command);
    })
    .map(({ name }) => name);
}

export function printFailedChecks(failed: readonly string[]): void {
  for (const name of failed) console.error(`CHECK FAILED: ${name}`);
}

if (import.meta.main) {
  const failed = runChecks();
  printFailedChecks(failed);
  if (failed.length > 0) process.exitCode = 1;
}
