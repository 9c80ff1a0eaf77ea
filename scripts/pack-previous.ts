// Packs the SDK and the server of a commit into packages/testkit/previous/, for the tests that run two releases against
// each other: node scripts/pack-previous.ts <commit>

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { build, type Rolldown } from 'vite';
import { workspaceRoot } from './source-files.ts';

const TARGET = join(workspaceRoot, 'packages', 'testkit', 'previous');

/** The server starts its threads from files beside its own. */
const SERVER_FILES = ['index.js', 'engine/sqlite-writer.js', 'engine/sqlite-reader.js'];

const run = (folder: string, command: string, ...args: string[]): string =>
  execFileSync(command, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

/** Bundles everything that is not Node's own into minified ES modules; returns the files that went in. */
async function bundle(input: Record<string, string>, outDir: string): Promise<readonly string[]> {
  const result = await build({
    configFile: false,
    logLevel: 'warn',
    root: workspaceRoot,
    ssr: { noExternal: true, target: 'node' },
    build: {
      ssr: true,
      outDir,
      emptyOutDir: true,
      minify: true,
      target: 'node24',
      rolldownOptions: {
        input,
        // Optional native parts of ws and msgpackr, which do without.
        external: ['bufferutil', 'utf-8-validate', 'msgpackr-extract'],
        output: { entryFileNames: '[name].js', chunkFileNames: '[name].js', comments: false },
      },
    },
  });
  const outputs = (Array.isArray(result) ? result : [result]) as Rolldown.RolldownOutput[];
  return outputs.flatMap(({ output }) =>
    output.flatMap((chunk) => (chunk.type === 'chunk' ? chunk.moduleIds : [])),
  );
}

/** The folders of the packages that files belong to. */
function packagesOf(files: readonly string[]): string[] {
  const folders = files.flatMap(
    (file) => /^\0?(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? [],
  );
  return [...new Set(folders)].sort((a, b) => basename(a).localeCompare(basename(b)));
}

function licenceOf(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    readonly name: string;
    readonly version: string;
    readonly license: string;
  };
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  const text =
    file === undefined
      ? '(The package has no licence file.)'
      : readFileSync(join(folder, file), 'utf8').trim();
  return `${name} ${version} (${license})\n\n${text}\n`;
}

function sizeOf(folder: string): number {
  const entries = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return entries.reduce((sum, entry) => sum + statSync(join(folder, entry)).size, 0);
}

async function pack(commit: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-previous-'));
  try {
    run(workspaceRoot, 'git', 'worktree', 'add', '--detach', folder, commit);
    run(folder, 'npm', 'ci', '--no-audit', '--no-fund');
    run(folder, join(folder, 'node_modules', '.bin', 'tsc'), '-b', 'tsconfig.build.json');
    const dist = (name: string): string => join(folder, 'packages', name, 'dist');
    const server = SERVER_FILES.map((file) => [basename(file, '.js'), join(dist('server'), file)] as const);
    const files = [
      ...(await bundle({ index: join(dist('client'), 'index.js') }, join(TARGET, 'client'))),
      ...(await bundle(Object.fromEntries(server), join(TARGET, 'server'))),
    ];
    const licences = packagesOf(files).map(licenceOf);
    writeFileSync(join(TARGET, 'LICENSES'), licences.join(`\n${'-'.repeat(80)}\n\n`));
    const full = run(folder, 'git', 'rev-parse', 'HEAD').trim();
    writeFileSync(join(TARGET, 'README.md'), readme(full));
    console.log(`${dirname(TARGET)}: ${licences.length} packages, ${Math.round(sizeOf(TARGET) / 1000)} KB`);
  } finally {
    run(workspaceRoot, 'git', 'worktree', 'remove', '--force', folder);
    rmSync(folder, { recursive: true, force: true });
  }
}

function readme(commit: string): string {
  return `# The previous release, packed

The SDK (\`client/\`) and the server (\`server/\`, with its storage threads beside it) of commit
\`${commit}\`, each with everything that it depends on, minified.
\`packages/client/src/compatibility.test.ts\` runs them against this tree's server and SDK.

Made by \`node scripts/pack-previous.ts <commit>\`, which checks the commit out, installs what its lock file names, builds it with
its own compiler and bundles the result. Nothing here is edited by hand. After a release, run it for that release's commit.
\`LICENSES\` has the licences of the packages that went in.
`;
}

const [commit] = process.argv.slice(2);
if (commit === undefined) {
  console.error('usage: node scripts/pack-previous.ts <commit>');
  process.exitCode = 2;
} else await pack(commit);
