import { join } from 'node:path';
import { outputOf } from '../child.ts';
import { type Environment, scaled } from '../environment.ts';
import type { Outcome, Scenario, Side } from '../scenario.ts';

const PUBLISHERS = 1000;
const SCRIPT = join(import.meta.dirname, '..', 'append.ts');

interface Latency {
  readonly p50: number;
  readonly p99: number;
}

/** What `append.ts --json` prints of a round. */
interface Round {
  readonly appendsPerSecond: number;
  readonly ackMs: Latency;
  readonly appendsPerSecondWithReaders: number;
  readonly ackMsWithReaders: Latency;
  readonly fsyncMs: Latency;
}

function appendSide(topics: number): Side {
  return {
    name: sideName(topics),
    missing: async () => undefined,
    measure: (environment) => measureAppend(topics, environment),
  };
}

function sideName(topics: number): string {
  return `${topics} topics`;
}

async function measureAppend(topics: number, environment: Environment): Promise<Outcome> {
  const { command, args } = environment.cores.anywhere(process.execPath, [
    '--conditions=source',
    SCRIPT,
    ...['--json', '--rounds', '1', '--topics', `${topics}`, '--seconds', `${environment.measureMs / 1000}`],
    ...['--publishers', `${scaled(PUBLISHERS, environment)}`],
  ]);
  const output = await outputOf(command, ...args);
  if (output === undefined) return { figures: {}, problems: ['append.ts failed: run it by itself'] };
  // The script is ours; warnings may precede its line.
  const { rounds } = JSON.parse(output.slice(output.lastIndexOf('{"node"'))) as { rounds: Round[] };
  const [round] = rounds;
  if (round === undefined) return { figures: {}, problems: ['append.ts measured nothing'] };
  return {
    figures: {
      appends: round.appendsPerSecond,
      p50: round.ackMs.p50,
      p99: round.ackMs.p99,
      appendsWithReaders: round.appendsPerSecondWithReaders,
      p99WithReaders: round.ackMsWithReaders.p99,
      fsync: round.fsyncMs.p50,
    },
    // What is missing or out of order makes the script fail.
    problems: [],
  };
}

export const appendInProcess: Scenario = {
  name: 'append-in-process',
  title: 'Append: 1,000 concurrent publishers in-process, acknowledged after fsync',
  metrics: [
    { key: 'appends', title: 'appends/s', digits: 0 },
    { key: 'p50', title: 'p50 ms', digits: 2 },
    { key: 'p99', title: 'p99 ms', digits: 2 },
    { key: 'appendsWithReaders', title: 'appends/s beside 100 readers', digits: 0 },
    { key: 'p99WithReaders', title: 'p99 ms beside them', digits: 2 },
    { key: 'fsync', title: 'fsync ms', digits: 2 },
  ],
  sides: [appendSide(50), appendSide(1000)],
  targets: [50, 1000].flatMap((topics) => {
    const [side, atLeast] = [sideName(topics), topics === 50 ? 100_000 : 50_000];
    const of = `append in-process, ${side}`;
    return [
      { text: `${of}: ≥ ${atLeast.toLocaleString('en')}/s`, side, metric: 'appends', atLeast },
      { text: `${of}: p99 < 30 ms`, side, metric: 'p99', atMost: 30 },
      { text: `${of}: p99 < 60 ms beside 100 readers`, side, metric: 'p99WithReaders', atMost: 60 },
    ];
  }),
};
