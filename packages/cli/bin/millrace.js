#!/usr/bin/env node
// Becomes Node.js with the flags that a server needs, which runs `start.js`.
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

if (process.execve === undefined) {
  console.error(
    `millrace: needs Node.js 24 or newer, and this is ${process.version}; in the workspace use npx millrace`,
  );
  process.exit(1);
}
const source = new URL('../src/main.ts', import.meta.url);
const flags = [
  '--disable-warning=ExperimentalWarning',
  // Young garbage in more room than this buys no throughput, and ten thousand quiet sessions would pay for the room
  // (scenario "idle" of `npm run bench`). In MB.
  '--max-semi-space-size=8',
  // V8 allocates as old at once what looks as if it grew old. Here that were arrays of publications under way: dead a moment later, they
  // kept whatever they pointed to until old garbage was collected, every three seconds under `npm run soak:llm`.
  '--no-allocation-site-pretenuring',
  // Node gives V8 four threads for its work beside our code. On a single core they take it from our code: half of it
  // for 200 ms, whenever old garbage is marked (`npm run soak:llm`). There is one left.
  ...(availableParallelism() === 1 ? ['--v8-pool-size=1'] : []),
  // Old garbage, too, is taken out before there is much of it: what is published lives for about a second and is large, when a
  // command prints (`npm run soak:run`). In percent of what lives.
  ...(process.argv[2] === 'serve' ? ['--heap-growing-percent=50'] : []),
  ...(existsSync(source) ? ['--conditions=source'] : []),
  fileURLToPath(new URL('./start.js', import.meta.url)),
];
// This process becomes the other one, so that signals, exit status and the terminal are its own.
process.execve(process.execPath, [process.execPath, ...flags, ...process.argv.slice(2)], process.env);
