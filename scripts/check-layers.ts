// Imports follow the layers of ARCHITECTURE.md: arrows point down only.
// To change what may depend on what, change the two tables; the code below only reads them.

import { readFileSync } from 'node:fs';
import { join, posix, relative, sep } from 'node:path';
import { type Import, importsOf } from './imports.ts';
import { reportProblems } from './report-problems.ts';
import { isTest, sourceFiles, workspaceRoot } from './source-files.ts';

/** Folder below packages/ → the packages it may import. Tests may import any. */
const packageLayers: Record<string, readonly string[]> = {
  protocol: [],
  catalog: ['protocol'],
  client: ['catalog', 'protocol'],
  server: ['catalog', 'protocol'],
  react: ['client', 'catalog', 'protocol'],
  dashboard: ['react', 'client', 'catalog', 'protocol'],
  cli: ['server', 'client', 'catalog', 'protocol'],
  testkit: ['server', 'protocol'],
};

const packageNames: Record<string, string> = { millrace: 'cli' };

/**
 * Parts of packages/server/src → the parts each may import (`types`: only what is erased at run time).
 * Every part may import itself and packages. The root puts the parts together and may import anything.
 */
const serverLayers: Record<
  string,
  { readonly values: readonly string[]; readonly types: readonly string[] }
> = {
  engine: { values: ['backend', 'contract'], types: [] },
  backend: { values: ['engine', 'contract'], types: [] },
  contract: { values: ['engine'], types: [] },
  auth: { values: [], types: [] },
  metrics: { values: [], types: [] },
  hub: { values: ['contract', 'metrics'], types: ['engine'] },
  views: { values: ['hub'], types: ['contract'] },
  inbox: { values: ['hub'], types: ['contract'] },
  session: { values: ['hub', 'inbox', 'metrics'], types: ['contract', 'auth'] },
  llm: { values: ['session', 'auth', 'metrics'], types: ['contract', 'hub'] },
  services: { values: ['session', 'hub', 'auth', 'metrics'], types: ['contract', 'llm'] },
  process: { values: ['session', 'hub', 'auth', 'metrics'], types: ['contract'] },
  alerts: { values: ['services', 'session', 'hub', 'auth', 'metrics'], types: ['contract'] },
  bridge: { values: ['services', 'session', 'hub', 'auth', 'metrics'], types: ['contract'] },
  analytics: { values: ['session', 'auth', 'metrics'], types: ['contract', 'services'] },
  doors: {
    values: [
      'services',
      'alerts',
      'analytics',
      'process',
      'llm',
      'session',
      'inbox',
      'hub',
      'auth',
      'metrics',
    ],
    types: ['contract', 'views'],
  },
};

/** Which part a path relative to packages/server/src belongs to; the first match counts. */
const serverParts: readonly (readonly [pattern: RegExp, part: string])[] = [
  [/^engine\/engine\.ts$/, 'contract'],
  [/^engine\/(memory|sqlite)/, 'backend'],
  [/^config\//, 'root'],
  [/^([^/]+)\//, '$1'],
  [/^[^/]+$/, 'root'],
];

/** The seams (clock, turns, randomness, sockets) and the options are declared at the root: types only. */
const rootTypesForAll = 'root';

function serverPart(path: string): string {
  for (const [pattern, part] of serverParts) {
    const match = pattern.exec(path);
    if (match) return part.replace('$1', match[1] ?? '');
  }
  return 'root';
}

/** `@millrace/client` → `client`, `millrace` → `cli`; undefined for packages that are not ours. */
function ownPackage(specifier: string): string | undefined {
  const name = /^@millrace\/([^/]+)/.exec(specifier)?.[1];
  return name ?? packageNames[specifier.split('/')[0] ?? ''];
}

function packageProblem(from: string, to: string): string | undefined {
  const allowed = packageLayers[from];
  if (allowed === undefined) return `package ${from} is missing in the table of scripts/check-layers.ts`;
  if (from === to) return `${from} imports itself by name; use a relative path`;
  if (!allowed.includes(to)) return `${from} must not import ${to}`;
  return undefined;
}

function serverProblem(fromPath: string, toPath: string, typeOnly: boolean): string | undefined {
  const from = serverPart(fromPath);
  const to = serverPart(toPath);
  if (from === 'root' || from === to) return undefined;
  const rule = serverLayers[from];
  if (rule === undefined) return `folder ${from} is missing in the table of scripts/check-layers.ts`;
  if (rule.values.includes(to)) return undefined;
  const typesAllowed = to === rootTypesForAll || rule.types.includes(to);
  if (!typesAllowed) return `${from} must not import ${to} (${toPath})`;
  return typeOnly ? undefined : `${from} may import only types of ${to} (${toPath}), by import type`;
}

function importProblem(path: string, { specifier, typeOnly }: Import): string | undefined {
  const [, from = '', ...rest] = path.split('/');
  const test = isTest(path);
  if (!specifier.startsWith('.')) {
    const to = ownPackage(specifier);
    return to === undefined || test ? undefined : packageProblem(from, to);
  }
  const target = posix.join(posix.dirname(path), specifier);
  const home = `packages/${from}/`;
  if (!target.startsWith(home)) {
    return /^packages\//.test(target) ? 'another package is imported by its name, not by a path' : undefined;
  }
  if (!test && isTest(target)) return 'a test must not be imported by other code';
  if (test || from !== 'server' || rest[0] !== 'src') return undefined;
  const source = `${home}src/`;
  return serverProblem(path.slice(source.length), target.slice(source.length), typeOnly);
}

/** `path` is relative to the workspace root, with forward slashes. */
export function layerProblems(path: string, text: string): string[] {
  return importsOf(path, text).flatMap((found) => {
    const problem = importProblem(path, found);
    return problem === undefined ? [] : [`${path}:${found.line}: ${problem}`];
  });
}

export function checkLayers(root: string): string[] {
  return sourceFiles(join(root, 'packages')).flatMap((file) =>
    layerProblems(relative(root, file).split(sep).join('/'), readFileSync(file, 'utf8')),
  );
}

if (import.meta.main) reportProblems('layers', checkLayers(workspaceRoot));
