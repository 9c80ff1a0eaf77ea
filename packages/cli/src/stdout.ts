import { once } from 'node:events';
import { EXIT } from './exit-code.ts';

/** Writes data, and waits while whoever reads it is slow. */
export async function writeOut(data: string | Uint8Array): Promise<void> {
  if (!process.stdout.write(data)) await once(process.stdout, 'drain');
}

/** The same for stderr, where a command wrote there. */
export async function writeError(data: Uint8Array): Promise<void> {
  if (!process.stderr.write(data)) await once(process.stderr, 'drain');
}

/** When nobody reads our output any more (`| head`), there is nothing left to do. */
export function exitOnBrokenPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(EXIT.ok);
  });
}
