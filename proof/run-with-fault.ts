// `node run-with-fault.ts <fault>`: what the proofs say of a server with a fault; see prove-faults.ts.

import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { FAULTS, type Fault } from './faults.ts';

const ROOT = join(import.meta.dirname, '..');
/** Enough for every fault to show, and few enough to wait for. */
const MAX_SEQUENCES = 3000;
const FIRST_SEED = 1;

const fault = FAULTS.find(({ name }) => name === process.argv[2]);
if (fault === undefined) throw new Error(`there is no fault ${JSON.stringify(process.argv[2])}`);
const applied = injectInto(fault);

// Only now, so that what it imports has the fault.
const { PROOFS } = await import('./proofs.ts');
const { prove } = await import('./sequence-proof.ts');
const found = [];
for (const proof of PROOFS) {
  const { sequences, failure } = await prove(proof, { seed: FIRST_SEED, runs: MAX_SEQUENCES });
  found.push({ proof: proof.name, sequences, failure });
}
if (!applied()) throw new Error(`${fault.file} was never loaded: the fault was not tried`);
console.log(JSON.stringify(found));

/** From now on the file is loaded with the fault in it; tells whether it has been. */
function injectInto({ file, changes }: Fault): () => boolean {
  const wanted = pathToFileURL(join(ROOT, file)).href;
  let done = false;
  registerHooks({
    load: (url, context, nextLoad) => {
      const loaded = nextLoad(url, context);
      if (url !== wanted) return loaded;
      done = true;
      let source = String(loaded.source);
      for (const { from, to } of changes) {
        if (source.split(from).length !== 2) throw new Error(`${file} does not have once: ${from}`);
        source = source.replace(from, () => to);
      }
      return { ...loaded, source };
    },
  });
  return () => done;
}
