import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Role } from '@millrace/protocol';
import {
  type Config,
  FIRST_START_KEY_FILE,
  type SignTokenOptions,
  signingKeyOf,
  signToken,
  systemClock,
  usesFirstStartKey,
} from '@millrace/server/config';
import { CliError } from './cli-error.ts';
import { explainConfig } from './config-file.ts';
import { EXIT } from './exit-code.ts';

export interface LocalTokenClaims {
  readonly userId: string;
  readonly entityId?: string | undefined;
  readonly roles: readonly Role[];
  readonly topics?: SignTokenOptions['topics'];
  readonly ttlMs: number;
}

/** Where the key is that {@link signLocalToken} would sign with, in words; `undefined` where there is none yet. */
export function findLocalKey(config: Config): string | undefined {
  if (config.auth.secret !== undefined) return 'the configured secret';
  const file = join(config.data.directory, FIRST_START_KEY_FILE);
  return usesFirstStartKey(config) && existsSync(file) ? file : undefined;
}

/** Signs with the key that `serve` uses with this configuration; makes the first start's key when there is none yet. */
export async function signLocalToken(config: Config, claims: LocalTokenClaims): Promise<string> {
  const key = await signingKeyOf(config).catch((cause: Error) => {
    throw explainConfig(cause) ?? new CliError(cause.message, EXIT.failed, { cause });
  });
  if (key === undefined) {
    throw new CliError(
      'this server checks tokens of somebody else: its configuration has no auth.secret to sign with; ask the issuer for a token',
      EXIT.usage,
    );
  }
  const { issuer, audience } = config.auth;
  return signToken({ ...claims, key, issuer, audience, clock: systemClock });
}
