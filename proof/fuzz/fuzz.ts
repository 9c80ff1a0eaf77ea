// `npm run fuzz [-- parser…] [--inputs n]`: feeds every parser with inputs that fixed seeds choose; see docs/reliability.md.

import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { runBatches } from '../run-batches.ts';
import { FUZZ_TARGETS, fuzzTargetNamed } from './all-targets.ts';
import type { FuzzTarget } from './fuzz-target.ts';
import type { FuzzBatch, FuzzBatchOutcome } from './fuzz-worker.ts';

const FIRST_SEED = 1;
const BATCH = 250_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    inputs: { type: 'string', default: '10000000' },
    workers: { type: 'string', default: String(Math.min(2, availableParallelism())) },
    seed: { type: 'string', default: process.env.MILLRACE_SEED ?? String(FIRST_SEED) },
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

/** One line; true when nothing was found. */
function report({ name }: FuzzTarget, outcomes: readonly FuzzBatchOutcome[]): boolean {
  const own = outcomes.filter(({ batch }) => batch.target === name);
  const sum = (of: (outcome: FuzzBatchOutcome) => number) => own.reduce((total, each) => total + of(each), 0);
  const inputs = sum((each) => each.inputs);
  const ms = sum((each) => each.durationMs);
  const accepted = (100 * sum((each) => each.accepted)) / inputs;
  const slowestMs = Math.max(...own.map((each) => each.slowestMs));
  const findings = own.flatMap((each) =>
    each.findings.map((finding) => ({ ...finding, seed: each.batch.seed })),
  );
  const figures = [
    `${inputs} inputs`,
    `${(ms / 1000).toFixed(0)} s`,
    `${((1000 * ms) / inputs).toFixed(1)} µs each`,
    `${accepted.toFixed(1)} % accepted`,
    `slowest ${slowestMs.toFixed(2)} ms`,
    `${findings.length} findings`,
  ];
  console.log(`${name}: ${figures.join(', ')}`);
  for (const { problem, input, seed } of findings.slice(0, 5)) {
    console.log(`  ${problem} (seed ${seed})\n    again: npm run fuzz -- '${name}' --input ${input}`);
  }
  return findings.length === 0;
}

const targets = positionals.length === 0 ? FUZZ_TARGETS : positionals.map(fuzzTargetNamed);
if (values.input !== undefined) {
  for (const target of targets) {
    const answer = await target.create(() => 0)(Buffer.from(values.input, 'base64'));
    console.log(`${target.name}: ${answer ? 'accepted' : 'refused'}`);
  }
} else {
  const startMs = performance.now();
  let clean = true;
  for (const target of targets) {
    const batches = batchesOf(target, Number(values.inputs), Number(values.seed));
    const outcomes = await runBatches<FuzzBatch, FuzzBatchOutcome>(
      new URL('./fuzz-worker.ts', import.meta.url),
      batches,
      { workers: Number(values.workers) },
    );
    clean = report(target, outcomes) && clean;
  }
  console.log(
    `${clean ? 'nothing found' : 'FOUND SOMETHING'} in ${((performance.now() - startMs) / 1000).toFixed(0)} s`,
  );
  if (!clean) process.exitCode = 1;
}
