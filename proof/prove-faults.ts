// `npm run prove:faults`: puts each deliberate fault into the server and expects the proofs to fail. Ends with an error
// when one survives.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { FAULTS, type Fault } from './faults.ts';
import type { ProofOutcome } from './sequence-proof.ts';

type Found = readonly (ProofOutcome & { readonly proof: string })[];

async function tryFault({ name }: Fault): Promise<Found> {
  const script = join(import.meta.dirname, 'run-with-fault.ts');
  const child = spawn(process.execPath, ['--conditions=source', script, name], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`the run with the fault "${name}" broke (${code})`);
  return JSON.parse(output) as Found;
}

let survived = 0;
for (const fault of FAULTS) {
  const startMs = performance.now();
  const found = await tryFault(fault);
  const caught = found.filter(({ failure }) => failure !== undefined);
  if (caught.length === 0) survived++;
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  console.log(`${caught.length > 0 ? 'caught' : 'SURVIVED'}: ${fault.name} (${seconds} s)`);
  for (const { proof, sequences, failure } of found) {
    if (failure === undefined) {
      console.log(`  ${proof}: not in ${sequences} sequences`);
      continue;
    }
    console.log(`  ${proof}: seed ${failure.seed}, in sequence ${sequences}: ${failure.problems[0]}`);
    console.log(`    shrunk to ${failure.sequence}`);
  }
}
if (survived > 0) process.exitCode = 1;
