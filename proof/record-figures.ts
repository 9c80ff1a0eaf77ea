import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';

const PAGE = join(import.meta.dirname, '..', 'docs', 'reliability.md');

/** Puts what a run showed in the place of what the last one showed: between `<!-- name:begin -->` and `<!-- name:end -->`. */
export function recordFigures(name: string, lines: readonly string[]): void {
  const page = readFileSync(PAGE, 'utf8');
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const [head, rest] = page.split(begin);
  const tail = rest?.split(end)[1];
  if (head === undefined || tail === undefined)
    throw new Error(`docs/reliability.md has no place for "${name}"`);
  writeFileSync(PAGE, `${head}${begin}\n${lines.join('\n')}\n${end}${tail}`);
}

/** When, where and how a run was. */
export function describeRun(command: string, wallMs: number, workers: number): string {
  const day = new Date().toISOString().slice(0, 10);
  const cpu = cpus()[0]?.model ?? 'an unknown CPU';
  const on = `${workers} of ${cpus().length} cores of ${cpu}`;
  return `\`${command}\`, ${day}, Node ${process.version}, ${on}: ${Math.round(wallMs / 1000)} s.`;
}

export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)];
}
