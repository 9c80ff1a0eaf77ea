import { modelProof } from './model.ts';
import type { SequenceProof } from './sequence-proof.ts';
import { simulationProof } from './simulation.ts';

/** Each takes sequences of its own kind, which only it looks into. */
export const PROOFS: readonly SequenceProof[] = [
  modelProof as SequenceProof,
  simulationProof as SequenceProof,
];

export function proofNamed(name: string): SequenceProof {
  const proof = PROOFS.find((each) => each.name === name);
  if (proof === undefined) {
    throw new Error(`there is no proof "${name}"; there are ${PROOFS.map((each) => each.name).join(', ')}`);
  }
  return proof;
}
