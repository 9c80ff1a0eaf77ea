import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, resolve } from 'node:path';

function systemError(code: 'ENOENT' | 'EACCES', command: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${command}`), { code });
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The file that the system would execute for a command. Throws `ENOENT` or `EACCES` as the system would. */
export function findCommand(command: string, env: NodeJS.ProcessEnv, cwd: string = process.cwd()): string {
  const folders = command.includes('/')
    ? ['']
    : (env.PATH ?? '/usr/local/bin:/usr/bin:/bin').split(delimiter);
  const files = folders.map((folder) => resolve(cwd, folder, command)).filter(isFile);
  const file = files.find(isExecutable);
  if (file !== undefined) return file;
  throw systemError(files.length > 0 ? 'EACCES' : 'ENOENT', command);
}
