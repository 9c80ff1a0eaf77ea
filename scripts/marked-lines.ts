import { readFileSync } from 'node:fs';

/** The lines of a fixture that end in `// found`, as `file:line`. */
export function markedLines(path: string): string[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line, index) => (line.endsWith('// found') ? [`${path}:${index + 1}`] : []));
}

/** `file:line: message` → `file:line`, each once. */
export const placesOf = (problems: readonly string[]): string[] => [
  ...new Set(problems.map((problem) => problem.split(': ', 1).join())),
];
