import type { Role } from '@millrace/protocol';
import { SignJWT } from 'jose';
import type { Clock } from '../clock.ts';
import { importSigningKey, type SigningKey } from './jwt-keys.ts';
import type { TopicGrants } from './permissions.ts';

export interface SignTokenOptions {
  readonly key: SigningKey;
  readonly userId: string;
  /** Without it the token is for the entity `default`. */
  readonly entityId?: string | undefined;
  readonly roles: readonly Role[];
  readonly topics?: TopicGrants | undefined;
  readonly ttlMs: number;
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
  readonly clock: Clock;
}

/** Makes a token that a server with the same key accepts. Throws an `Error` for a key that is malformed or too weak. */
export async function signToken(options: SignTokenOptions): Promise<string> {
  const { key, userId, entityId, roles, topics, ttlMs, issuer, audience, clock } = options;
  const now = Math.floor(clock.now() / 1000);
  const token = new SignJWT({ entity: entityId, roles, topics })
    .setProtectedHeader({ alg: key.alg, typ: 'JWT', ...(key.kid === undefined ? {} : { kid: key.kid }) })
    .setSubject(userId)
    .setIssuedAt(now)
    .setExpirationTime(now + Math.ceil(ttlMs / 1000));
  if (issuer !== undefined) token.setIssuer(issuer);
  if (audience !== undefined) token.setAudience(audience);
  return token.sign(importSigningKey(key));
}
