import { expect, test } from 'vitest';
import { FUZZ_TARGETS } from './all-targets.ts';
import { runFuzz } from './run-fuzz.ts';

const INPUTS = 10_000;
const SEED = Number(process.env.MILLRACE_SEED ?? Date.now() % 1_000_000_007);

test.each(FUZZ_TARGETS)(
  '[MSG-1] [MSG-2] $name: whatever comes is taken or refused, and fast',
  async (target) => {
    const { findings, accepted } = await runFuzz(target, { seed: SEED, inputs: INPUTS });
    expect(findings, `seed ${SEED}`).toEqual([]);
    // Else the inputs are so bad that nothing but the first look at them is tried.
    expect(accepted).toBeGreaterThan(0);
  },
);
