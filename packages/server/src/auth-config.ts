import { createPublicKey } from 'node:crypto';
import type { AuthHookOptions } from './auth/auth-hook.ts';
import type { AuthOptions } from './auth/authenticator.ts';
import type { AuthenticateFunction } from './auth/custom-provider.ts';
import { firstStartKey } from './auth/first-start-key.ts';
import type { JwtKey, SigningKey } from './auth/jwt-keys.ts';
import { type Config, ConfigError } from './config.ts';
import { durationMs } from './duration.ts';

/** The algorithm of tokens that a public key checks. */
function publicKeyOf(publicKey: string, index: number): JwtKey {
  const algorithms = { rsa: 'RS256', ec: 'ES256', ed25519: 'EdDSA' } as const;
  let type: string | undefined;
  try {
    type = createPublicKey(publicKey).asymmetricKeyType;
  } catch (error) {
    throw new ConfigError([
      `auth.publicKeys[${index}] is not a public key in PEM: ${(error as Error).message}`,
    ]);
  }
  const alg = algorithms[type as keyof typeof algorithms] as
    | (typeof algorithms)[keyof typeof algorithms]
    | undefined;
  if (alg === undefined)
    throw new ConfigError([`auth.publicKeys[${index}] is a ${type} key; use RSA, EC P-256 or Ed25519`]);
  return { alg, publicKey };
}

/** Whether nothing in the configuration says who may connect, so that the key of the first start does. */
export function usesFirstStartKey({ auth }: Config): boolean {
  return (
    auth.secret === undefined &&
    auth.jwksUrl === undefined &&
    auth.hook === undefined &&
    (auth.publicKeys?.length ?? 0) === 0 &&
    (auth.apiKeys?.length ?? 0) === 0
  );
}

/** The key with which tokens for this server can be signed here, or `undefined` when only an issuer elsewhere can. */
export async function signingKeyOf(config: Config): Promise<SigningKey | undefined> {
  if (config.auth.secret !== undefined) return { alg: 'HS256', secret: config.auth.secret };
  return usesFirstStartKey(config) ? await firstStartKey(config.data.directory) : undefined;
}

function hookOptionsOf({ hook }: Config['auth']): AuthHookOptions | undefined {
  if (hook === undefined) return undefined;
  const { url, timeout, cache, headers } = hook;
  return {
    url,
    timeoutMs: timeout === undefined ? undefined : durationMs(timeout),
    cacheMs: cache === undefined ? undefined : durationMs(cache),
    headers,
  };
}

/** Who may connect, as the configuration and the application say. With a function of the latter no key is made up. */
export async function authOptionsOf(
  config: Config,
  custom?: AuthenticateFunction,
): Promise<Omit<AuthOptions, 'clock'>> {
  const { auth } = config;
  const secret = custom !== undefined && usesFirstStartKey(config) ? undefined : await signingKeyOf(config);
  const keys: JwtKey[] = (auth.publicKeys ?? []).map(publicKeyOf);
  if (secret?.alg === 'HS256') keys.unshift(secret);
  return {
    ...(keys.length > 0 && { keys }),
    ...(auth.jwksUrl !== undefined && { jwks: { url: auth.jwksUrl } }),
    issuer: auth.issuer,
    audience: auth.audience,
    entityClaim: auth.entityClaim,
    apiKeys: auth.apiKeys,
    maxTokenLifetimeMs: durationMs(auth.maxTokenLifetime),
    custom,
    hook: hookOptionsOf(auth),
  };
}
