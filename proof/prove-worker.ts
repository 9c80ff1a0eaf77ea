import { parentPort } from 'node:worker_threads';
import { proofNamed } from './proofs.ts';
import { type ProofOutcome, prove } from './sequence-proof.ts';

/** Some sequences of one proof. */
export interface Batch {
  readonly proof: string;
  readonly seed: number;
  readonly runs: number;
}

export interface BatchOutcome extends ProofOutcome {
  readonly batch: Batch;
  readonly durationMs: number;
}

parentPort?.on('message', (batch: Batch) => {
  const startMs = performance.now();
  void prove(proofNamed(batch.proof), batch).then((outcome) => {
    const answer: BatchOutcome = { ...outcome, batch, durationMs: performance.now() - startMs };
    parentPort?.postMessage(answer);
  });
});
