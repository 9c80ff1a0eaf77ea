// `npm run prove:faults`: puts each deliberate fault into the server and expects the proofs to fail. Ends with an error
// when one survives.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { FAULTS, type Fault } from './faults.ts';
import { recordFigures, tableOf } from './record-figures.ts';
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

const rows: string[][] = [];
let survived = 0;
for (const fault of FAULTS) {
  const found = await tryFault(fault);
  const caught = found.some(({ failure }) => failure !== undefined);
  if (!caught) survived++;
  console.log(`${caught ? 'caught' : 'SURVIVED'}: ${fault.name}`);
  for (const { proof, sequences, failure } of found) {
    if (failure === undefined) {
      console.log(`  ${proof}: not in ${sequences} sequences`);
      continue;
    }
    const { seed, problems, sequence } = failure;
    console.log(`  ${proof}: seed ${seed}, in sequence ${sequences}: ${problems[0]}`);
    console.log(`    shrunk to ${sequence}`);
    const steps = (JSON.parse(sequence) as [unknown, unknown[]])[1].length;
    rows.push([
      fault.name,
      fault.story,
      proof,
      String(seed),
      String(sequences),
      String(steps),
      problems[0] ?? '',
    ]);
  }
}
if (survived > 0) process.exitCode = 1;
else if (process.argv.includes('--record')) {
  const head = [
    'fault',
    'what was changed',
    'caught by',
    'seed',
    'in sequence',
    'shrunk to steps',
    'what it said',
  ];
  recordFigures('faults', tableOf(head, rows));
}
