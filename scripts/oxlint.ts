import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { workspaceRoot } from './source-files.ts';

const packageFolder = dirname(createRequire(import.meta.url).resolve('oxlint/package.json'));
const executable = join(packageFolder, 'bin', 'oxlint');

interface Diagnostic {
  readonly message: string;
  readonly filename: string;
  readonly labels: readonly { readonly span: { readonly line: number; readonly column: number } }[];
}

/** Runs oxlint with one configuration of this folder and returns what it found as `file:line: message`. */
export function oxlintProblems(config: string, ...args: readonly string[]): string[] {
  const options = ['--disable-nested-config', '--no-ignore', '--format=json', '-c', join('scripts', config)];
  const run = spawnSync(process.execPath, [executable, ...options, ...args], {
    cwd: workspaceRoot,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (!run.stdout.startsWith('{')) throw new Error(`oxlint failed: ${run.stdout}${run.stderr}`);
  const { diagnostics } = JSON.parse(run.stdout) as { diagnostics: Diagnostic[] };
  if (run.status !== 0 && diagnostics.length === 0) throw new Error(`oxlint failed: ${run.stderr}`);
  return diagnostics.map(
    ({ filename, message, labels }) => `${filename}:${labels[0]?.span.line ?? 1}: ${message}`,
  );
}
