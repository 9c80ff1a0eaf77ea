import { userInfo } from 'node:os';

/** Who runs this command, as far as the system knows: in a container there may be no such user. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'cli';
  }
}
