import { join } from 'node:path';
import { Child } from '../child.ts';
import type { Environment } from '../environment.ts';

/** Starts one of the servers beside this file on the server's core. */
export function startNodeServer(
  file: string,
  { cores, profileDirectory }: Environment,
  ...args: readonly string[]
): Child {
  const profiling =
    profileDirectory === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDirectory}`];
  const command = cores.forServer(process.execPath, [
    '--conditions=source',
    // Those flags of the command `millrace` that matter to all of these servers: it is fair to them.
    '--max-semi-space-size=8',
    '--no-allocation-site-pretenuring',
    ...profiling,
    join(import.meta.dirname, file),
    ...args,
  ]);
  return new Child({ ...command, name: file });
}
