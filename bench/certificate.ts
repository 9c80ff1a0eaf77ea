import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { outputOf } from './child.ts';

/** A key and a certificate of one day, made for this run. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
  close(): Promise<void>;
}

/** `undefined` without `openssl`. */
export async function createCertificate(): Promise<Certificate | undefined> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-cert-'));
  const close = () => rm(directory, { recursive: true, force: true });
  const cert = join(directory, 'cert.pem');
  const key = join(directory, 'key.pem');
  const args = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost';
  const done = await outputOf('openssl', ...args.split(' '), '-keyout', key, '-out', cert);
  if (done === undefined) {
    await close();
    return undefined;
  }
  return { cert, key, close };
}
