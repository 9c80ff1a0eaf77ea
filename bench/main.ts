/**
 * npm run bench [-- <scenario>…] [--quick] [--rounds n] [--seconds n] [--scale n] [--profile <folder>]
 *
 * METHOD.md says how it measures. A run of everything that is not `--quick` replaces RESULTS.md.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createCertificate } from './certificate.ts';
import { assignCores } from './cores.ts';
import type { Environment } from './environment.ts';
import { describeMachine } from './machine.ts';
import { compileNativeTools } from './native-tools.ts';
import { isSound, renderScenario } from './report.ts';
import { runRounds, type ScenarioResult } from './rounds.ts';
import { allScenarios } from './scenarios/all-scenarios.ts';

const RESULTS = join(import.meta.dirname, 'RESULTS.md');
/** Of the time that is measured. */
const WARM_UP_SHARE = 0.4;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    scale: { type: 'string', default: '1' },
    profile: { type: 'string' },
    /** The C compiler. */
    cc: { type: 'string', default: 'cc' },
  },
});

async function main(): Promise<boolean> {
  const unknown = positionals.filter((name) => !allScenarios.some((scenario) => scenario.name === name));
  if (unknown.length > 0) {
    const names = allScenarios.map(({ name }) => name).join(', ');
    console.error(`There is no scenario ${unknown.join(', ')}. There are: ${names}`);
    return false;
  }
  const scenarios = allScenarios.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const machine = await describeMachine();
  const cores = await assignCores();
  const tools = await compileNativeTools(options.cc);
  const certificate = await createCertificate();
  const { quick, profile } = options;
  const measureMs = Number(options.seconds ?? (quick ? 1.5 : 4)) * 1000;
  const environment: Environment = {
    cores,
    tools,
    certificate,
    rounds: Number(options.rounds ?? (quick ? 1 : 5)),
    warmUpMs: measureMs * WARM_UP_SHARE,
    measureMs,
    scale: Number(options.scale),
    ...(profile !== undefined && { profileDirectory: profile }),
  };
  const notes = [
    ...machine,
    `- ${cores.description}; ${environment.rounds} rounds, ${environment.measureMs / 1000} s each after ${environment.warmUpMs / 1000} s of warm-up; median (min–max)`,
    ...(tools === undefined
      ? [
          `- **NO C COMPILER (${options.cc}): no floor, and subscribers in Node, which are slower than some servers.**`,
        ]
      : []),
  ];
  console.log(notes.join('\n'));
  try {
    const results: ScenarioResult[] = [];
    const sections: string[] = [];
    for (const scenario of scenarios) {
      console.error(`\n${scenario.title}`);
      const result = await runRounds(scenario, environment, (side, round, { figures, problems }) => {
        const shown = scenario.metrics.slice(0, 5).map(({ key, title, digits }) => {
          return `${(figures[key] ?? Number.NaN).toFixed(digits)} ${title}`;
        });
        console.error(`  ${round + 1}. ${side.name}: ${[...shown, ...problems].join(', ')}`);
      });
      results.push(result);
      sections.push(renderScenario(result));
      console.log(`\n${sections.at(-1)}`);
    }
    const sound = results.every(isSound);
    if (positionals.length === 0 && !quick && sound) await writeFile(RESULTS, renderResults(notes, sections));
    if (!sound) console.error('Some runs lost or reordered events: see FAILED RUN above.');
    return sound;
  } finally {
    await tools?.close();
    await certificate?.close();
  }
}

function renderResults(notes: readonly string[], sections: readonly string[]): string {
  const head =
    '# Results\n\nThe last full run of `npm run bench`. [METHOD.md](METHOD.md) says how it measures.\n';
  return `${head}\n${notes.join('\n')}\n\n${sections.join('\n')}`;
}

process.exitCode = (await main()) ? 0 : 1;
