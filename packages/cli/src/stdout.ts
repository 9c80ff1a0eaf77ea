import { once } from 'node:events';
import { EXIT } from './exit-code.ts';

/** Writes data, and waits while whoever reads it is slow. */
export async function writeOut(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}

/** When nobody reads our output any more (`| head`), there is nothing left to do. */
export function exitOnBrokenPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(EXIT.ok);
  });
}
