import { randomBytes } from 'node:crypto';
import { constants, link, mkdir, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { SecretKey } from './jwt-keys.ts';

export const FIRST_START_KEY_FILE = 'token-key';

const SECRET = /^[A-Za-z0-9_-]{43}$/;

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

async function readSecret(path: string): Promise<string | undefined> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    // Not through a link, whose target someone else may own.
    file = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw new Error(`the token key ${path} cannot be read`, { cause: error });
  }
  try {
    const { mode } = await file.stat();
    // Windows has no such modes and reports every file as readable by all.
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new Error(
        `the token key ${path} can be read by other users of this machine; run \`chmod 600\` on it, or delete it to get a new one`,
      );
    }
    const secret = (await file.readFile('utf8')).trim();
    if (SECRET.test(secret)) return secret;
    throw new Error(`the token key ${path} is damaged; restore it, or delete it to get a new one`);
  } finally {
    await file.close();
  }
}

/** Leaves either a whole file or none, and never replaces the key of another process that was faster. */
async function createSecret(path: string): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(`${randomBytes(32).toString('base64url')}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await link(draft, path);
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
  } finally {
    await unlink(draft);
  }
}

/**
 * The key of a server that has none in its configuration: made at the first start in the data folder (mode 0600) and
 * used again ever after. Throws an `Error` when the file is damaged or when others can read it.
 */
export async function firstStartKey(dataFolder: string): Promise<SecretKey> {
  const path = join(dataFolder, FIRST_START_KEY_FILE);
  await mkdir(dataFolder, { recursive: true, mode: 0o700 }).catch((cause: Error) => {
    throw new Error(`the data folder ${dataFolder} cannot be used: ${cause.message}`, { cause });
  });
  let secret = await readSecret(path);
  if (secret === undefined) {
    await createSecret(path);
    secret = await readSecret(path);
  }
  if (secret === undefined) throw new Error(`the token key ${path} vanished while the server was starting`);
  return { alg: 'HS256', secret };
}
