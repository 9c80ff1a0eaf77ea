import { parentPort } from 'node:worker_threads';
import { fuzzTargetNamed } from './all-targets.ts';
import { type FuzzOutcome, runFuzz } from './run-fuzz.ts';

/** Some inputs of one parser. */
export interface FuzzBatch {
  readonly target: string;
  readonly seed: number;
  readonly inputs: number;
}

export interface FuzzBatchOutcome extends FuzzOutcome {
  readonly batch: FuzzBatch;
  readonly durationMs: number;
}

parentPort?.on('message', (batch: FuzzBatch) => {
  const startMs = performance.now();
  void runFuzz(fuzzTargetNamed(batch.target), batch).then((outcome) => {
    const answer: FuzzBatchOutcome = { ...outcome, batch, durationMs: performance.now() - startMs };
    parentPort?.postMessage(answer);
  });
});
