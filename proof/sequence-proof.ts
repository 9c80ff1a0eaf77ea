import fc from 'fast-check';

/** Something that must hold for whatever sequence: what is tried, and what is wrong afterwards. */
export interface SequenceProof<Sequence = unknown> {
  readonly name: string;
  /** How many of a hundred sequences are its. */
  readonly share: number;
  readonly sequences: fc.Arbitrary<Sequence>;
  /** Runs one, and says what was wrong. The same sequence always says the same. */
  readonly run: (sequence: Sequence) => Promise<readonly string[]>;
}

export interface ProofOptions {
  readonly seed: number;
  readonly runs: number;
  /** Where in the run of a seed to begin, as a failure prints it. */
  readonly path?: string | undefined;
}

/** The shortest sequence that was found to fail. */
export interface ProofFailure {
  readonly seed: number;
  readonly path: string;
  /** JSON. */
  readonly sequence: string;
  readonly problems: readonly string[];
}

export interface ProofOutcome {
  /** How many were run, up to the first that failed. */
  readonly sequences: number;
  readonly failure: ProofFailure | undefined;
}

/** Tries a number of sequences, and shrinks the first that fails. */
export async function prove<Sequence>(
  proof: SequenceProof<Sequence>,
  { seed, runs, path = '' }: ProofOptions,
): Promise<ProofOutcome> {
  const property = fc.asyncProperty(proof.sequences, async (sequence) => {
    const problems = await runOrSay(proof, sequence);
    if (problems.length > 0) throw new Error(problems.join('\n'));
  });
  const details = await fc.check(property, { seed, numRuns: runs, path });
  if (!details.failed) return { sequences: details.numRuns, failure: undefined };
  const [sequence] = details.counterexample ?? [];
  const failure = {
    seed: details.seed,
    path: details.counterexamplePath ?? '',
    sequence: JSON.stringify(sequence),
    problems: sequence === undefined ? [] : await runOrSay(proof, sequence),
  };
  return { sequences: details.numRuns, failure };
}

async function runOrSay<Sequence>(
  proof: SequenceProof<Sequence>,
  sequence: Sequence,
): Promise<readonly string[]> {
  try {
    return await proof.run(sequence);
  } catch (error) {
    return [error instanceof Error ? (error.stack ?? String(error)) : String(error)];
  }
}

/** How to see a failure again, for people. */
export function describeFailure(name: string, { seed, path, sequence, problems }: ProofFailure): string {
  return [
    `${name} fails with seed ${seed}, path ${path}`,
    ...problems.map((problem) => `  ${problem}`),
    `the sequence: ${sequence}`,
    `again: npm run prove -- ${name} --seed ${seed} --path ${path}`,
    `this sequence alone: npm run prove -- ${name} --sequence '${sequence}'`,
  ].join('\n');
}
