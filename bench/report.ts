import { figureOf, ratioOf, type ScenarioResult } from './rounds.ts';
import type { Target } from './scenario.ts';
import type { Spread } from './statistics.ts';

/** One scenario as a Markdown section: the table, its targets, and what went wrong. */
export function renderScenario(result: ScenarioResult): string {
  const { scenario, skipped, problems } = result;
  const lines = [`### ${scenario.title}`, '', `\`npm run bench -- ${scenario.name}\``, ''];
  lines.push(...renderTable(result), '');
  for (const [side, reason] of skipped) lines.push(`- **Left out: ${side}**, because ${reason}.`);
  for (const target of scenario.targets) lines.push(`- ${renderTarget(result, target)}`);
  for (const problem of problems) lines.push(`- **FAILED RUN: ${problem}.**`);
  return `${lines.join('\n').trimEnd()}\n`;
}

/** Whether every run was without loss and disorder. Targets that are missed do not fail a run. */
export function isSound({ problems }: ScenarioResult): boolean {
  return problems.length === 0;
}

function renderTable(result: ScenarioResult): string[] {
  const { scenario, outcomes } = result;
  const { metrics, relativeTo } = scenario;
  const compared = metrics.find(({ key }) => key === relativeTo?.metric);
  const rows = [['', ...metrics.map(({ title }) => title)]];
  if (compared !== undefined) rows[0]?.push(`${compared.title} ÷ ${relativeTo?.side}`);
  for (const side of outcomes.keys()) {
    const row = [side];
    for (const { key, digits } of metrics) row.push(renderSpread(figureOf(result, side, key), digits));
    if (compared !== undefined && relativeTo !== undefined)
      row.push(renderSpread(ratioOf(result, side, relativeTo.side, compared.key), 2));
    rows.push(row);
  }
  return alignTable(rows);
}

function alignTable(rows: readonly string[][]): string[] {
  const columns = rows[0]?.length ?? 0;
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(3, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const render = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  const [head = [], ...body] = rows;
  return [render(head), rule, ...body.map(render)];
}

function renderSpread(spread: Spread | undefined, digits: number): string {
  if (spread === undefined || Number.isNaN(spread.median)) return '–';
  const { median, min, max } = spread;
  if (min === max) return renderNumber(median, digits);
  return `${renderNumber(median, digits)} (${renderNumber(min, digits)}–${renderNumber(max, digits)})`;
}

function renderNumber(value: number, digits: number): string {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function renderTarget(result: ScenarioResult, target: Target): string {
  const { text, side, metric, relativeTo, atMost, atLeast } = target;
  const spread =
    relativeTo === undefined ? figureOf(result, side, metric) : ratioOf(result, side, relativeTo, metric);
  if (spread === undefined || Number.isNaN(spread.median)) return `Target not measured: ${text}`;
  const met =
    (atMost === undefined || spread.median <= atMost) && (atLeast === undefined || spread.median >= atLeast);
  return `${met ? 'Target met' : '**Target missed**'}: ${text}. Measured: ${renderSpread(spread, spread.median < 100 ? 2 : 0)}`;
}
