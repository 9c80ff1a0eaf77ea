// `npm run fuzz [-- parser…] [--inputs n]`: feeds every parser with inputs that fixed seeds choose; see docs/reliability.md.

import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { describeRun, recordFigures, tableOf } from '../record-figures.ts';
import { runBatches } from '../run-batches.ts';
import { FUZZ_TARGETS, fuzzTargetNamed } from './all-targets.ts';
import type { FuzzTarget } from './fuzz-target.ts';
import type { FuzzBatch, FuzzBatchOutcome } from './fuzz-worker.ts';
import type { Finding } from './run-fuzz.ts';

const FIRST_SEED = 1;
const BATCH = 250_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    inputs: { type: 'string', default: '10000000' },
    workers: { type: 'string', default: String(Math.min(2, availableParallelism())) },
    seed: { type: 'string', default: process.env.MILLRACE_SEED ?? String(FIRST_SEED) },
    /** Puts the figures into docs/reliability.md. */
    record: { type: 'boolean', default: false },
    /** Base64: this input alone, as a finding prints it. */
    input: { type: 'string' },
  },
});

function batchesOf({ name }: FuzzTarget, inputs: number, firstSeed: number): FuzzBatch[] {
  return Array.from({ length: Math.ceil(inputs / BATCH) }, (_, i) => ({
    target: name,
    seed: firstSeed + i,
    inputs: Math.min(BATCH, inputs - i * BATCH),
  }));
}

interface Figures {
  readonly name: string;
  readonly inputs: number;
  readonly seconds: number;
  readonly accepted: number;
  readonly slowestMs: number;
  readonly findings: readonly (Finding & { readonly seed: number })[];
}

function figuresOf({ name }: FuzzTarget, outcomes: readonly FuzzBatchOutcome[]): Figures {
  const sum = (of: (outcome: FuzzBatchOutcome) => number) =>
    outcomes.reduce((total, each) => total + of(each), 0);
  const inputs = sum((each) => each.inputs);
  return {
    name,
    inputs,
    seconds: sum((each) => each.durationMs) / 1000,
    accepted: sum((each) => each.accepted) / inputs,
    slowestMs: Math.max(...outcomes.map((each) => each.slowestMs)),
    findings: outcomes.flatMap((each) =>
      each.findings.map((finding) => ({ ...finding, seed: each.batch.seed })),
    ),
  };
}

function report({ name, inputs, seconds, accepted, slowestMs, findings }: Figures): void {
  const parts = [
    `${inputs} inputs`,
    `${seconds.toFixed(0)} s of one core`,
    `${((seconds * 1e6) / inputs).toFixed(1)} µs each`,
    `${(100 * accepted).toFixed(1)} % accepted`,
    `slowest ${slowestMs.toFixed(2)} ms`,
    `${findings.length} findings`,
  ];
  console.log(`${name}: ${parts.join(', ')}`);
  for (const { problem, input, seed } of findings.slice(0, 5)) {
    console.log(`  ${problem} (seed ${seed})\n    again: npm run fuzz -- '${name}' --input ${input}`);
  }
}

function record(all: readonly Figures[], wallMs: number): void {
  const rows = all.map(({ name, inputs, seconds, accepted, slowestMs, findings }) => [
    name,
    inputs.toLocaleString('en'),
    seconds.toFixed(0),
    `${(100 * accepted).toFixed(1)} %`,
    String(findings.length),
    `${slowestMs.toFixed(2)} ms`,
  ]);
  const head = ['parser', 'inputs', 's of one core', 'accepted', 'uncaught', 'slowest'];
  recordFigures('fuzzing', [
    describeRun('npm run fuzz', wallMs, Number(values.workers)),
    '',
    ...tableOf(head, rows),
  ]);
}

const targets = positionals.length === 0 ? FUZZ_TARGETS : positionals.map(fuzzTargetNamed);
if (values.input !== undefined) {
  for (const target of targets) {
    const answer = await target.create(() => 0)(Buffer.from(values.input, 'base64'));
    console.log(`${target.name}: ${answer ? 'accepted' : 'refused'}`);
  }
} else {
  const startMs = performance.now();
  const all: Figures[] = [];
  for (const target of targets) {
    const batches = batchesOf(target, Number(values.inputs), Number(values.seed));
    const outcomes = await runBatches<FuzzBatch, FuzzBatchOutcome>(
      new URL('./fuzz-worker.ts', import.meta.url),
      batches,
      { workers: Number(values.workers) },
    );
    const figures = figuresOf(target, outcomes);
    report(figures);
    all.push(figures);
  }
  const wallMs = performance.now() - startMs;
  const clean = all.every(({ findings }) => findings.length === 0);
  console.log(`${clean ? 'nothing found' : 'FOUND SOMETHING'} in ${(wallMs / 1000).toFixed(0)} s`);
  if (!clean) process.exitCode = 1;
  else if (values.record) record(all, wallMs);
}
