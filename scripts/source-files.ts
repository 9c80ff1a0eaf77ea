import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

export const workspaceRoot: string = join(import.meta.dirname, '..');

const skipped = new Set(['node_modules', 'dist', 'coverage', 'fixtures']);

/** The TypeScript files below `folder` (or none when it does not exist), sorted, as paths that start with `folder`. */
export function sourceFiles(folder: string): string[] {
  if (statSync(folder, { throwIfNoEntry: false }) === undefined) return [];
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return skipped.has(entry.name) ? [] : sourceFiles(path);
      return /\.tsx?$/.test(entry.name) && !entry.name.endsWith('.d.ts') ? [path] : [];
    })
    .sort();
}

export const isTest = (path: string): boolean => /\.test\.tsx?$/.test(path);
