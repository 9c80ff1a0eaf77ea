import { setImmediate as settled } from 'node:timers/promises';
import { Random } from '../random.ts';
import { type FuzzTarget, isRefusal } from './fuzz-target.ts';
import { Mutator } from './mutator.ts';

/** An input that takes longer, several times over, holds up everybody else. In ms. */
export const TOO_SLOW_MS = 100;
/** How often a slow input is tried again: other processes and the collector of garbage are slow as well. */
const TRIES = 5;

const TURN_EVERY = 200;
const MAX_FINDINGS = 10;

export interface Finding {
  /** Base64. */
  readonly input: string;
  readonly problem: string;
}

export interface FuzzOutcome {
  readonly inputs: number;
  /** Of these, the ones that were not refused. */
  readonly accepted: number;
  /** The slowest one, the quickest of its tries, in ms. */
  readonly slowestMs: number;
  readonly findings: readonly Finding[];
}

/** Feeds a parser with inputs that a seed chooses. */
export async function runFuzz(
  target: FuzzTarget,
  { seed, inputs }: { readonly seed: number; readonly inputs: number },
): Promise<FuzzOutcome> {
  // Errors are the rule here; nobody reads where they were made.
  Error.stackTraceLimit = 0;
  const random = new Random(seed);
  const mutator = new Mutator(target, random);
  const parse = target.create(() => random.next());
  const findings: Finding[] = [];
  let accepted = 0;
  let slowestMs = 0;
  for (let i = 0; i < inputs; i++) {
    const input = mutator.next();
    const startMs = performance.now();
    try {
      const answer = parse(input);
      if (typeof answer === 'boolean' ? answer : await answer) accepted++;
    } catch (error) {
      if (!isRefusal(error) && findings.length < MAX_FINDINGS) {
        findings.push({ input: input.toString('base64'), problem: String(error) });
      }
    }
    const tookMs = performance.now() - startMs;
    if (tookMs > slowestMs) slowestMs = Math.max(slowestMs, await quickestMs(parse, input, tookMs));
    // What follows from inputs outside of promises happens, too.
    if (i % TURN_EVERY === 0) await settled();
  }
  if (slowestMs > TOO_SLOW_MS) findings.push({ input: '', problem: `an input takes ${slowestMs} ms` });
  return { inputs, accepted, slowestMs, findings };
}

async function quickestMs(
  parse: ReturnType<FuzzTarget['create']>,
  input: Buffer,
  firstMs: number,
): Promise<number> {
  let quickest = firstMs;
  const copy = Buffer.from(input);
  for (let i = 0; i < TRIES; i++) {
    const startMs = performance.now();
    try {
      await parse(copy);
    } catch {
      // As the first time.
    }
    quickest = Math.min(quickest, performance.now() - startMs);
  }
  return quickest;
}
