import { Worker } from 'node:worker_threads';

/**
 * Lets workers take batches until none is left, or `isOver` says of an outcome that it is enough. A worker answers each message,
 * a batch, with one message, its outcome.
 */
export async function runBatches<Batch, Outcome>(
  script: URL,
  batches: readonly Batch[],
  { workers, isOver = () => false }: { workers: number; isOver?: (outcome: Outcome) => boolean },
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const left = [...batches];
  let over = false;
  const work = async (): Promise<void> => {
    const worker = new Worker(script, { execArgv: ['--conditions=source'] });
    for (let batch = left.shift(); batch !== undefined && !over; batch = left.shift()) {
      const outcome = await ask<Batch, Outcome>(worker, batch);
      outcomes.push(outcome);
      over ||= isOver(outcome);
    }
    await worker.terminate();
  };
  await Promise.all(Array.from({ length: workers }, work));
  return outcomes;
}

function ask<Batch, Outcome>(worker: Worker, batch: Batch): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const settle = (outcome: Outcome): void => {
      worker.off('error', reject);
      resolve(outcome);
    };
    worker.once('message', settle);
    worker.once('error', reject);
    worker.postMessage(batch);
  });
}
