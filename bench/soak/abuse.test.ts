import { expect, test } from 'vitest';
import { runAbuse } from './abuse-run.ts';

test('a server under attack lets honest clients in, sheds 200 attackers of each kind in time, and keeps its memory', {
  timeout: 180_000,
}, async () => {
  const lines: object[] = [];
  const missed = await runAbuse({
    attackers: 200,
    rounds: 1,
    timeoutMs: 2000,
    floodPerSecond: 10_000,
    floodMs: 1500,
    bombs: 3,
    log: (line) => lines.push(line),
  });
  expect(missed, lines.map((line) => JSON.stringify(line)).join('\n')).toEqual([]);
});
