// Builds the dashboard when its bundle is missing or older than what it is made of; `--force` builds it anyway.

import { existsSync, globSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from './check.ts';
import { isTest, workspaceRoot } from './source-files.ts';

const madeOf = [
  'packages/dashboard/{index.html,package.json,vite.config.ts}',
  'packages/dashboard/{src,public}/**/*',
  'packages/{react,client,protocol}/src/**/*',
];

/** Whether the page is missing or older than the newest of its sources; false while there is no dashboard yet. */
export function dashboardIsStale(root: string): boolean {
  const dashboard = join(root, 'packages', 'dashboard');
  if (!existsSync(join(dashboard, 'index.html'))) return false;
  const built = statSync(join(dashboard, 'dist', 'index.html'), { throwIfNoEntry: false });
  if (built === undefined) return true;
  return madeOf
    .flatMap((pattern) => globSync(pattern, { cwd: root }))
    .some((file) => !isTest(file) && statSync(join(root, file)).mtimeMs > built.mtimeMs);
}

function buildDashboard(): boolean {
  console.error('Building the dashboard …');
  return runCommand(['vite', 'build', 'packages/dashboard', '--emptyOutDir', '--logLevel', 'warn']);
}

if (import.meta.main) {
  const hasDashboard = existsSync(join(workspaceRoot, 'packages', 'dashboard', 'index.html'));
  const wanted = dashboardIsStale(workspaceRoot) || (hasDashboard && process.argv.includes('--force'));
  if (wanted && !buildDashboard()) process.exitCode = 1;
}
