import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FIRST_START_KEY_FILE, firstStartKey } from './first-start-key.ts';

let root: string;
let folder: string;
let path: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-key-'));
  folder = join(root, 'data');
  path = join(folder, FIRST_START_KEY_FILE);
});

afterEach(() => rm(root, { recursive: true }));

describe('firstStartKey', () => {
  test('makes 32 random bytes that only the owner can read, and nothing else', async () => {
    const { alg, secret } = await firstStartKey(folder);
    expect(alg).toBe('HS256');
    expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect(await readdir(folder)).toEqual([FIRST_START_KEY_FILE]);
  });

  test('is the same at every later start, and another in another folder', async () => {
    const first = await firstStartKey(folder);
    expect(await firstStartKey(folder)).toEqual(first);
    expect(await firstStartKey(join(root, 'other'))).not.toEqual(first);
  });

  test('processes that start at once, or nearly, agree', async () => {
    const start = async (laterBy: number): Promise<string> => {
      for (let i = 0; i < laterBy; i++) await stat(root);
      return (await firstStartKey(folder)).secret;
    };
    const keys = await Promise.all(Array.from({ length: 40 }, (_, i) => start(i % 20)));
    expect(new Set(keys).size).toBe(1);
    expect(await readdir(folder)).toEqual([FIRST_START_KEY_FILE]);
  });

  test.for([0o640, 0o604, 0o620])('refuses a key file with mode %o', async (mode) => {
    await firstStartKey(folder);
    await chmod(path, mode);
    await expect(firstStartKey(folder)).rejects.toThrow('can be read by other users');
  });

  test.for(['', 'short', '\u0000'.repeat(43)])(
    'refuses a damaged key file and leaves it as it is (%j)',
    async (text) => {
      await firstStartKey(folder);
      await writeFile(path, text);
      const failure = await firstStartKey(folder).catch((error: Error) => error);
      expect(String(failure)).toContain('is damaged');
      expect(await readFile(path, 'utf8')).toBe(text);
    },
  );

  test('says which data folder cannot be used, and why', async () => {
    await writeFile(folder, '');
    await expect(firstStartKey(folder)).rejects.toThrow(`the data folder ${folder} cannot be used: EEXIST`);
  });

  test('refuses a link', async () => {
    await firstStartKey(folder);
    const elsewhere = join(root, 'elsewhere');
    await firstStartKey(elsewhere);
    await rm(path);
    await symlink(join(elsewhere, FIRST_START_KEY_FILE), path);
    await expect(firstStartKey(folder)).rejects.toThrow('cannot be read');
  });

  test('no error carries the secret', async () => {
    const { secret } = await firstStartKey(folder);
    await chmod(path, 0o644);
    const failure = await firstStartKey(folder).catch((error: Error) => error);
    expect(String(failure)).not.toContain(secret);
  });
});
