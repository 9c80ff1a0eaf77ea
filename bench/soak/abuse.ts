import { parseArgs } from 'node:util';
import { runAbuse } from './abuse-run.ts';

/*
 * A server under attack, while honest clients come and go: thousands of connections that stall in every way, a flood,
 * bombs. `npm run soak:abuse`; prints figures, and ends with 1 when a bound is missed.
 */

const { values } = parseArgs({
  options: {
    attackers: { type: 'string', default: '5000' },
    rounds: { type: 'string', default: '2' },
    bombs: { type: 'string', default: '50' },
  },
});

const missed = await runAbuse({
  attackers: Number(values.attackers),
  rounds: Number(values.rounds),
  timeoutMs: 10_000,
  floodPerSecond: 10_000,
  floodMs: 5000,
  bombs: Number(values.bombs),
  log: (line) => console.log(JSON.stringify(line)),
});
for (const problem of missed) console.log(`MISSED: ${problem}`);
if (missed.length === 0) console.log('every bound holds');
process.exitCode = missed.length === 0 ? 0 : 1;
