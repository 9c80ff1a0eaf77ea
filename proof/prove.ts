// `npm run prove`: the models and simulations over many sequences with fixed seeds; see docs/reliability.md.

import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { PROOFS, proofNamed } from './proofs.ts';
import type { Batch, BatchOutcome } from './prove-worker.ts';
import { describeRun, recordFigures, tableOf } from './record-figures.ts';
import { runBatches } from './run-batches.ts';
import { describeFailure, prove, type SequenceProof } from './sequence-proof.ts';

const FIRST_SEED = 1;
const BATCH = 250;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sequences: { type: 'string', default: process.env.MILLRACE_SIMULATION_RUNS ?? '100000' },
    workers: { type: 'string', default: String(Math.min(2, availableParallelism())) },
    seed: { type: 'string', default: process.env.MILLRACE_SEED ?? '' },
    path: { type: 'string' },
    sequence: { type: 'string' },
    /** Puts the figures into docs/reliability.md. */
    record: { type: 'boolean', default: false },
  },
});

/** What a release run tries: every proof's share, in batches whose seeds follow each other. */
function batchesOf(proofs: readonly SequenceProof[], total: number, firstSeed: number): Batch[] {
  const shares = proofs.reduce((sum, { share }) => sum + share, 0);
  return proofs.flatMap(({ name, share }) => {
    const runs = Math.round((total * share) / shares);
    return Array.from({ length: Math.ceil(runs / BATCH) }, (_, i) => ({
      proof: name,
      seed: firstSeed + i,
      runs: Math.min(BATCH, runs - i * BATCH),
    }));
  });
}

interface Figures {
  readonly name: string;
  readonly sequences: number;
  readonly seeds: string;
  readonly seconds: number;
  readonly msEach: number;
}

function figuresOf({ name }: SequenceProof, outcomes: readonly BatchOutcome[]): Figures {
  const own = outcomes.filter(({ batch }) => batch.proof === name);
  const sequences = own.reduce((sum, each) => sum + each.sequences, 0);
  const ms = own.reduce((sum, each) => sum + each.durationMs, 0);
  const seeds = own.map(({ batch }) => batch.seed);
  const range = seeds.length === 0 ? 'none' : `${Math.min(...seeds)} to ${Math.max(...seeds)}`;
  return { name, sequences, seeds: range, seconds: ms / 1000, msEach: ms / Math.max(1, sequences) };
}

/** True when nothing failed. */
function report(figures: readonly Figures[], outcomes: readonly BatchOutcome[], wallMs: number): boolean {
  for (const { name, sequences, seeds, seconds, msEach } of figures) {
    const pace = `${seconds.toFixed(0)} s of one core, ${msEach.toFixed(2)} ms each`;
    console.log(`${name}: ${sequences} sequences (seeds ${seeds}, ${BATCH} a seed), ${pace}`);
  }
  const failures = outcomes.flatMap(({ batch, failure }) =>
    failure === undefined ? [] : [describeFailure(batch.proof, failure)],
  );
  for (const text of failures) console.error(`\n${text}`);
  console.log(`${failures.length > 0 ? 'FAILED' : 'all hold'} after ${(wallMs / 1000).toFixed(0)} s`);
  return failures.length === 0;
}

function record(figures: readonly Figures[], wallMs: number): void {
  const rows = figures.map(({ name, sequences, seeds, seconds, msEach }) => [
    name,
    sequences.toLocaleString('en'),
    seeds,
    seconds.toFixed(0),
    msEach.toFixed(2),
    '0',
  ]);
  const head = [
    'proof',
    'sequences',
    `seeds (${BATCH} sequences each)`,
    's of one core',
    'ms a sequence',
    'failed',
  ];
  recordFigures('sequences', [
    describeRun('npm run prove', wallMs, Number(values.workers)),
    '',
    ...tableOf(head, rows),
  ]);
}

/** One seed, place in it, or sequence again. */
async function replay(proof: SequenceProof): Promise<void> {
  if (values.sequence !== undefined) {
    const problems = await proof.run(JSON.parse(values.sequence));
    console.log(problems.length === 0 ? 'it holds' : problems.join('\n'));
    if (problems.length > 0) process.exitCode = 1;
    return;
  }
  const seed = Number(values.seed);
  const { sequences, failure } = await prove(proof, { seed, runs: BATCH, path: values.path });
  console.log(failure === undefined ? `all ${sequences} hold` : describeFailure(proof.name, failure));
  if (failure !== undefined) process.exitCode = 1;
}

const proofs = positionals.length === 0 ? PROOFS : positionals.map(proofNamed);
const [only] = proofs;
if (only !== undefined && (values.path !== undefined || values.sequence !== undefined)) {
  await replay(only);
} else {
  const startMs = performance.now();
  const firstSeed = values.seed === '' ? FIRST_SEED : Number(values.seed);
  const outcomes = await runBatches<Batch, BatchOutcome>(
    new URL('./prove-worker.ts', import.meta.url),
    batchesOf(proofs, Number(values.sequences), firstSeed),
    { workers: Number(values.workers), isOver: ({ failure }) => failure !== undefined },
  );
  const wallMs = performance.now() - startMs;
  const figures = proofs.map((proof) => figuresOf(proof, outcomes));
  const hold = report(figures, outcomes, wallMs);
  if (!hold) process.exitCode = 1;
  else if (values.record) record(figures, wallMs);
}
