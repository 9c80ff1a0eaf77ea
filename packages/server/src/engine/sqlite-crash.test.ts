import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PowerCut } from '@millrace/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Acknowledgement, crash, findLosses } from './fixtures/crash-rounds.ts';

/** `npm run soak:crash` asks for more. */
const ROUNDS = Number(process.env.MILLRACE_CRASH_ROUNDS ?? 3);
const ROUND_MS = 20_000;
/** Crashes that one log lives through, each time with all that it holds; then another begins. */
const ROUNDS_A_LOG = 5;

let directory: string;
let journals: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-crash-'));
  journals = await mkdtemp(join(tmpdir(), 'millrace-undo-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
  await rm(journals, { recursive: true, force: true });
});

async function beginLog(): Promise<Acknowledgement[]> {
  await rm(directory, { recursive: true, force: true });
  return [];
}

function randomBetween(low: number, high: number): number {
  return low + Math.floor(Math.random() * (high - low));
}

test('a killed process loses no acknowledged event, and its log opens again by itself', {
  timeout: ROUNDS * ROUND_MS,
}, async () => {
  const acknowledged: Acknowledgement[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const acknowledgements = randomBetween(1, 5000);
    acknowledged.push(
      ...(await crash({ directory, synchronous: 'full', acknowledgements, eventBytes: 200 })),
    );
    expect(await findLosses(directory, acknowledged), `after ${acknowledgements} in round ${round}`).toEqual(
      [],
    );
  }
});

if (!PowerCut.possible) {
  if (process.env.CI !== undefined) throw new Error('the power-cut tests need Linux and a C compiler (cc)');
  console.warn('SKIPPED: the power-cut tests need Linux and a C compiler (cc)');
}

describe.skipIf(!PowerCut.possible)('a power cut', () => {
  test('takes back no acknowledged event', { timeout: ROUNDS * ROUND_MS }, async () => {
    const cut = new PowerCut(journals, 'millrace.db');
    let acknowledged: Acknowledgement[] = [];
    let promises = 0;
    let lostWrites = 0;
    for (let round = 0; round < ROUNDS; round++) {
      if (round % ROUNDS_A_LOG === 0) acknowledged = await beginLog();
      // Large enough, now and then, that the log is copied to the main file while it is being written.
      const acknowledgements = randomBetween(1, 15_000);
      acknowledged.push(
        ...(await crash({
          directory,
          synchronous: 'full',
          acknowledgements,
          eventBytes: 2000,
          environment: cut.environment,
        })),
      );
      lostWrites += cut.strike(directory);
      promises += acknowledgements;
      expect(
        await findLosses(directory, acknowledged),
        `after ${acknowledgements} in round ${round}`,
      ).toEqual([]);
    }
    console.info(
      `${ROUNDS} power cuts: at least ${promises} events acknowledged, ${lostWrites} unsynced writes lost`,
    );
  });

  test('is noticed by this test where nothing is synced', { timeout: ROUND_MS }, async () => {
    const cut = new PowerCut(journals, 'millrace.db');
    const acknowledged = await crash({
      directory,
      synchronous: 'off',
      acknowledgements: 1000,
      eventBytes: 200,
      environment: cut.environment,
    });
    expect(cut.strike(directory)).toBeGreaterThan(0);
    expect(await findLosses(directory, acknowledged)).not.toEqual([]);
  });
});
