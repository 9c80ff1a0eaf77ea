// `npm run prove`: the models and simulations over many sequences with fixed seeds; see docs/reliability.md.

import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { PROOFS, proofNamed } from './proofs.ts';
import type { Batch, BatchOutcome } from './prove-worker.ts';
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

function report(proofs: readonly SequenceProof[], outcomes: readonly BatchOutcome[], wallMs: number): void {
  for (const { name } of proofs) {
    const own = outcomes.filter(({ batch }) => batch.proof === name);
    const sequences = own.reduce((sum, each) => sum + each.sequences, 0);
    const ms = own.reduce((sum, each) => sum + each.durationMs, 0);
    const seeds = `seeds ${own[0]?.batch.seed} to ${own.at(-1)?.batch.seed}`;
    const pace = `${(ms / sequences).toFixed(2)} ms each`;
    console.log(
      `${name}: ${sequences} sequences (${seeds}, ${BATCH} a seed), ${(ms / 1000).toFixed(0)} s of one core, ${pace}`,
    );
  }
  const failures = outcomes.flatMap(({ batch, failure }) => failure && describeFailure(batch.proof, failure));
  for (const text of failures) if (text !== undefined) console.error(`\n${text}`);
  const failed = failures.some((text) => text !== undefined);
  console.log(`${failed ? 'FAILED' : 'all hold'} after ${(wallMs / 1000).toFixed(0)} s`);
  if (failed) process.exitCode = 1;
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
  report(proofs, outcomes, performance.now() - startMs);
}
