import { MillraceError } from '@millrace/protocol';
import { decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose';
import type { Clock } from '../clock.ts';
import { type ApiKey, ApiKeys, sha256 } from './api-keys.ts';
import { type Identity, identityOf } from './identity.ts';
import {
  createJwksKeys,
  createStaticKeys,
  JWKS_MAX_AGE_MS,
  JWT_ALGORITHMS,
  type JwksLocation,
  type JwtAlgorithm,
  type JwtKey,
  type KeySource,
  type TokenHeader,
} from './jwt-keys.ts';
import { TokenCache } from './token-cache.ts';

export interface Authenticator {
  /**
   * Says who bears this token. Rejects with a `MillraceError`: `unauthorized`, `token-expired`, or `internal` when the
   * key set cannot be fetched. No error carries the token or a claim's value.
   */
  authenticate(token: string): Promise<Identity>;
}

/** At least one of `keys`, `jwks` and `apiKeys` must be given. */
export interface AuthOptions {
  readonly keys?: readonly JwtKey[] | undefined;
  readonly jwks?: JwksLocation | undefined;
  /** When given, a JWT's `iss` must be one of these. */
  readonly issuer?: string | readonly string[] | undefined;
  /** When given, a JWT's `aud` must have one of these. */
  readonly audience?: string | readonly string[] | undefined;
  /** Read as the entity before `entity`, `entityId` and `currentEntityId`. */
  readonly entityClaim?: string | undefined;
  readonly apiKeys?: readonly ApiKey[] | undefined;
  /** How far ahead of this server's clock the issuer's may be: for `nbf`. A token's end is its end. */
  readonly clockToleranceMs?: number | undefined;
  /** Verified tokens that are kept, so that a client that comes back costs no signature check. */
  readonly maxCachedTokens?: number | undefined;
  readonly clock: Clock;
}

const MAX_TOKEN_LENGTH = 8192;

function unauthorized(problem: string): MillraceError {
  return new MillraceError('unauthorized', `${problem}; ask for a token from its issuer`);
}

function expired(): MillraceError {
  return new MillraceError('token-expired', 'the token has expired; come back with a fresh one');
}

function isAlgorithm(alg: unknown): alg is JwtAlgorithm {
  return (JWT_ALGORITHMS as readonly unknown[]).includes(alg);
}

function readHeader(token: string): TokenHeader {
  let header: { alg?: unknown; kid?: unknown };
  try {
    header = decodeProtectedHeader(token);
  } catch {
    throw unauthorized('the token is neither a JWT nor a known API key');
  }
  const { alg, kid } = header;
  if (!isAlgorithm(alg)) {
    throw unauthorized(`the token is not signed with one of ${JWT_ALGORITHMS.join(', ')}`);
  }
  return { alg, kid: typeof kid === 'string' ? kid : undefined };
}

/** What `jose` found wrong, without its message and cause, which carry claims. */
function explain(error: unknown): MillraceError {
  if (error instanceof errors.JWTExpired) return expired();
  if (error instanceof errors.JWTClaimValidationFailed) {
    const problem = error.reason === 'missing' ? 'is missing' : 'is not one that this server accepts';
    return unauthorized(`the token's "${error.claim}" claim ${problem}`);
  }
  return unauthorized('the token is malformed');
}

class TokenAuthenticator implements Authenticator {
  readonly #clock: Clock;
  readonly #apiKeys: ApiKeys;
  readonly #keySources: readonly KeySource[];
  readonly #checks: JWTVerifyOptions;
  readonly #entityClaim: string | undefined;
  readonly #cache: TokenCache;
  readonly #maxCachedMs: number;

  constructor(options: AuthOptions) {
    const { keys = [], jwks, apiKeys = [], issuer, audience, clockToleranceMs = 5_000 } = options;
    if (keys.length === 0 && jwks === undefined && apiKeys.length === 0) {
      throw new Error('no key can check tokens; configure auth.keys, auth.jwks or auth.apiKeys');
    }
    this.#clock = options.clock;
    this.#apiKeys = new ApiKeys(apiKeys);
    this.#keySources = [createStaticKeys(keys), ...(jwks === undefined ? [] : [createJwksKeys(jwks)])];
    this.#checks = {
      requiredClaims: ['exp'],
      clockTolerance: clockToleranceMs / 1000,
      ...(issuer === undefined ? {} : { issuer: [issuer].flat() }),
      ...(audience === undefined ? {} : { audience: [audience].flat() }),
    };
    this.#entityClaim = options.entityClaim;
    this.#cache = new TokenCache(options.maxCachedTokens ?? 10_000);
    // A key that was taken out of a set must not live on in the cache; those of the configuration are there to stay.
    this.#maxCachedMs = jwks === undefined ? Number.POSITIVE_INFINITY : JWKS_MAX_AGE_MS;
  }

  async authenticate(token: string): Promise<Identity> {
    if (token === '' || token.length > MAX_TOKEN_LENGTH) {
      throw unauthorized(`the token is empty or longer than ${MAX_TOKEN_LENGTH} characters`);
    }
    const digest = sha256(token);
    const bearer = this.#apiKeys.find(digest);
    if (bearer !== undefined) return bearer;
    const cacheKey = digest.toString('base64');
    const known = this.#cache.get(cacheKey, this.#clock.now());
    if (known !== undefined) return known;
    const identity = await this.#readToken(token);
    this.#cache.set(cacheKey, identity, Math.min(identity.expiresAt, this.#clock.now() + this.#maxCachedMs));
    return identity;
  }

  async #readToken(token: string): Promise<Identity> {
    const claims = await this.#verify(token, readHeader(token));
    // `exp` was required above, and checked to be a number.
    const expiresAt = (claims.exp as number) * 1000;
    if (expiresAt <= this.#clock.now()) throw expired();
    return identityOf(claims, expiresAt, this.#entityClaim);
  }

  /** Two keys may answer to one header while they are being rotated, so a wrong signature means: try the next. */
  async #verify(token: string, header: TokenHeader): Promise<JWTPayload> {
    const checks = { ...this.#checks, algorithms: [header.alg], currentDate: new Date(this.#clock.now()) };
    for (const findKeys of this.#keySources) {
      for (const key of await findKeys(header)) {
        try {
          return (await jwtVerify(token, key, checks)).payload;
        } catch (error) {
          if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw explain(error);
        }
      }
    }
    throw unauthorized('no key of this server has signed the token');
  }
}

/** Throws an `Error` that says which part of the configuration is malformed or too weak. */
export function createAuthenticator(options: AuthOptions): Authenticator {
  return new TokenAuthenticator(options);
}
