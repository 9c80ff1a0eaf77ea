import type { Chunk } from './chunk.ts';

/**
 * Orders the chunks of one flush by urgency, most urgent first. An event moved ahead takes the earlier events of its own topic
 * with it, so that no topic's order is broken, and nothing passes a message or a batch.
 */
export function orderByPriority(chunks: readonly Chunk[]): readonly Chunk[] {
  const ordered: Chunk[] = [];
  let start = 0;
  for (let i = 0; i <= chunks.length; i++) {
    if (i < chunks.length && isMovable(chunks[i] as Chunk)) continue;
    ordered.push(...orderRun(chunks.slice(start, i)));
    if (i < chunks.length) ordered.push(chunks[i] as Chunk);
    start = i + 1;
  }
  return ordered;
}

function isMovable({ starts }: Chunk): boolean {
  return starts.length === 1;
}

function orderRun(run: readonly Chunk[]): readonly Chunk[] {
  if (run.length < 2) return run;
  const urgency = new Map<string, number>();
  const ranks = new Array<number>(run.length);
  for (let i = run.length - 1; i >= 0; i--) {
    const { starts, rank } = run[i] as Chunk;
    const topic = starts[0]?.topic ?? '';
    const most = Math.min(rank, urgency.get(topic) ?? rank);
    urgency.set(topic, most);
    ranks[i] = most;
  }
  return run
    .map((chunk, index) => ({ chunk, index }))
    .sort((a, b) => (ranks[a.index] as number) - (ranks[b.index] as number) || a.index - b.index)
    .map(({ chunk }) => chunk);
}
