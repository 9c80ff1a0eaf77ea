import { MillraceError } from '@millrace/protocol';
import { decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose';
import type { Clock } from '../clock.ts';
import { expiredToken, unauthorized } from './auth-error.ts';
import { type Identity, identityOf, readTime } from './identity.ts';
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
import { fingerprintOf } from './token-fingerprint.ts';

export interface JwtOptions {
  readonly keys?: readonly JwtKey[] | undefined;
  readonly jwks?: JwksLocation | undefined;
  /** When given, a JWT's `iss` must be one of these. */
  readonly issuer?: string | readonly string[] | undefined;
  /** When given, a JWT's `aud` must have one of these. */
  readonly audience?: string | readonly string[] | undefined;
  /** Read as the entity before `entity`, `entityId` and `currentEntityId`. */
  readonly entityClaim?: string | undefined;
  /** How far ahead of this server's clock the issuer's may be: for `nbf` and `iat`. A token's end is its end. */
  readonly clockToleranceMs?: number | undefined;
  /** From `iat`, or from now where a token has none, to `exp`; a token that lives longer is refused. */
  readonly maxTokenLifetimeMs: number;
  /** Verified tokens that are kept, so that a client that comes back costs no signature check. */
  readonly maxCachedTokens?: number | undefined;
  readonly clock: Clock;
}

/** Either a bearer, or why the token is none that a key of this server has signed. */
export type JwtOutcome =
  | { readonly identity: Identity }
  | { readonly identity: undefined; readonly refusal: MillraceError };

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
  if (error instanceof errors.JWTExpired) return expiredToken();
  if (error instanceof errors.JWTClaimValidationFailed) {
    const problem = error.reason === 'missing' ? 'is missing' : 'is not one that this server accepts';
    return unauthorized(`the token's "${error.claim}" claim ${problem}`);
  }
  return unauthorized('the token is malformed');
}

/** What `jose` looks at only once a signature is right. */
function isOurs(error: unknown): boolean {
  return (
    error instanceof errors.JWTExpired ||
    error instanceof errors.JWTClaimValidationFailed ||
    error instanceof errors.JWTInvalid
  );
}

/** Checks JWTs with the keys of the configuration. */
export class JwtVerifier {
  readonly #clock: Clock;
  readonly #keySources: readonly KeySource[];
  readonly #checks: JWTVerifyOptions;
  readonly #entityClaim: string | undefined;
  readonly #maxTokenLifetimeMs: number;
  readonly #clockToleranceMs: number;
  readonly #cache: TokenCache<Identity>;
  readonly #maxCachedMs: number;

  constructor(options: JwtOptions) {
    const { keys = [], jwks, issuer, audience, clockToleranceMs = 5_000 } = options;
    this.#clock = options.clock;
    this.#keySources = [createStaticKeys(keys), ...(jwks === undefined ? [] : [createJwksKeys(jwks)])];
    this.#checks = {
      requiredClaims: ['exp'],
      clockTolerance: clockToleranceMs / 1000,
      ...(issuer === undefined ? {} : { issuer: [issuer].flat() }),
      ...(audience === undefined ? {} : { audience: [audience].flat() }),
    };
    this.#entityClaim = options.entityClaim;
    this.#clockToleranceMs = clockToleranceMs;
    this.#maxTokenLifetimeMs = options.maxTokenLifetimeMs;
    this.#cache = new TokenCache(options.maxCachedTokens ?? 10_000);
    // A key that was taken out of a set must not live on in the cache; those of the configuration are there to stay.
    this.#maxCachedMs = jwks === undefined ? Number.POSITIVE_INFINITY : JWKS_MAX_AGE_MS;
  }

  /** Rejects for a token that a key of this server has signed, and that is not acceptable all the same. */
  async verify(token: string, digest: string): Promise<JwtOutcome> {
    const known = this.#cache.get(digest, this.#clock.now());
    if (known !== undefined) return { identity: known };
    let claims: JWTPayload;
    try {
      claims = await this.#readClaims(token, readHeader(token));
    } catch (error) {
      if (isOurs(error)) throw explain(error);
      if (error instanceof MillraceError && error.code !== 'unauthorized') throw error;
      return { identity: undefined, refusal: error instanceof MillraceError ? error : explain(error) };
    }
    const identity = this.#identityOf(token, claims);
    this.#cache.set(digest, identity, Math.min(identity.expiresAt, this.#clock.now() + this.#maxCachedMs));
    return { identity };
  }

  #identityOf(token: string, claims: JWTPayload): Identity {
    const now = this.#clock.now();
    // `exp` was required, and checked to be a number.
    const expiresAt = (claims.exp as number) * 1000;
    if (expiresAt <= now) throw expiredToken();
    const issuedAt = readTime(claims, 'iat');
    // It would outlive its longest lifetime, and the revocation of its user.
    if (issuedAt !== undefined && issuedAt > now + this.#clockToleranceMs) {
      throw unauthorized('the token says that it was issued in the future');
    }
    const lifetimeMs = expiresAt - (issuedAt ?? now);
    if (lifetimeMs > this.#maxTokenLifetimeMs) {
      throw unauthorized('the token lives longer than this server allows (auth.maxTokenLifetime)');
    }
    return identityOf(claims, {
      fingerprint: fingerprintOf(token),
      expiresAt,
      // The earliest that this server would have accepted.
      issuedAt: Math.min(issuedAt ?? expiresAt - this.#maxTokenLifetimeMs, now),
      entityClaim: this.#entityClaim,
    });
  }

  /** Two keys may answer to one header while they are being rotated, so a wrong signature means: try the next. */
  async #readClaims(token: string, header: TokenHeader): Promise<JWTPayload> {
    const checks = { ...this.#checks, algorithms: [header.alg], currentDate: new Date(this.#clock.now()) };
    for (const findKeys of this.#keySources) {
      for (const key of await findKeys(header)) {
        try {
          return (await jwtVerify(token, key, checks)).payload;
        } catch (error) {
          if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
        }
      }
    }
    throw unauthorized('no key of this server has signed the token');
  }
}
