// `npm test`: every check, then every test; ends in the line `N passed, N failed`. Arguments go to Vitest.

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { printFailedChecks, runChecks, runCommand } from './check.ts';
import { workspaceRoot } from './source-files.ts';
import { countsLine, countTests, type TestCounts, type TestReport } from './test-counts.ts';

function runTests(args: readonly string[]): TestCounts & { readonly succeeded: boolean } {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-test-'));
  const file = join(folder, 'report.json');
  try {
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
    const exitedWell = runCommand(['vitest', 'run', ...reporters, ...args]);
    if (!existsSync(file)) return { passed: 0, failed: 0, skipped: 0, succeeded: false };
    const report = JSON.parse(readFileSync(file, 'utf8')) as TestReport;
    return { ...countTests(report), succeeded: exitedWell && report.success };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

// Each test file has a process of its own, and all of them load the same libraries.
process.env.NODE_COMPILE_CACHE ??= join(workspaceRoot, 'node_modules', '.cache', 'compiled');

const failedChecks = runChecks();
console.log('\n── tests');
const result = runTests(process.argv.slice(2));

printFailedChecks(failedChecks);
if (!result.succeeded && result.failed === 0) console.error('TEST RUN FAILED: see the errors above');
if (result.passed + result.failed === 0) console.error('TEST RUN FAILED: no test ran');
if (failedChecks.length > 0 || !result.succeeded || result.failed > 0 || result.passed === 0) {
  process.exitCode = 1;
}
console.log(countsLine(result));
