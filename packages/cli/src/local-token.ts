import type { Role } from '@millrace/protocol';
import { type Config, firstStartKey, type SignTokenOptions, signToken, systemClock } from '@millrace/server';
import { CliError } from './cli-error.ts';
import { EXIT } from './exit-code.ts';

export interface LocalTokenClaims {
  readonly userId: string;
  readonly entityId?: string | undefined;
  readonly roles: readonly Role[];
  readonly topics?: SignTokenOptions['topics'];
  readonly ttlMs: number;
}

/** Signs with the key that `serve` uses with this configuration; makes the first start's key when there is none yet. */
export async function signLocalToken(config: Config, claims: LocalTokenClaims): Promise<string> {
  const { secret, publicKeys, jwksUrl, apiKeys, issuer, audience } = config.auth;
  if (secret === undefined && (publicKeys ?? jwksUrl ?? apiKeys) !== undefined) {
    throw new CliError(
      'this server checks tokens of somebody else: its configuration has no auth.secret to sign with; ask the issuer for a token',
      EXIT.usage,
    );
  }
  const key =
    secret === undefined ? await firstStartKey(config.data.directory) : ({ alg: 'HS256', secret } as const);
  return signToken({ ...claims, key, issuer, audience, clock: systemClock });
}
