import type { Clock } from '../clock.ts';
import { type ApiKey, ApiKeys, sha256 } from './api-keys.ts';
import { expiredToken, revokedToken, unauthorized } from './auth-error.ts';
import { AuthHook, type AuthHookOptions } from './auth-hook.ts';
import {
  type AuthenticateFunction,
  askFunction,
  type ProviderParts,
  type TokenRequest,
} from './custom-provider.ts';
import { type Claims, type Identity, identityOf, readTime } from './identity.ts';
import { type JwtOptions, JwtVerifier } from './jwt-verifier.ts';
import { fingerprintOf } from './token-fingerprint.ts';

export interface Authenticator {
  /**
   * Says who bears this token. Rejects with a `MillraceError`: `unauthorized`, `token-expired`, `internal` when the key set
   * cannot be fetched, `unavailable` when the application cannot be asked. No error carries the token or a claim's value.
   */
  authenticate(token: string, request?: TokenRequest): Promise<Identity>;
  /** Whether what an identity was proved with has been revoked, perhaps since. */
  isRevoked(identity: Identity): boolean;
}

/** At least one of `keys`, `jwks`, `apiKeys`, `custom` and `hook` must be given. */
export interface AuthOptions extends Omit<JwtOptions, 'clock' | 'maxTokenLifetimeMs'> {
  /** 30 days when missing. */
  readonly maxTokenLifetimeMs?: number | undefined;
  readonly apiKeys?: readonly ApiKey[] | undefined;
  readonly custom?: AuthenticateFunction | undefined;
  readonly hook?: AuthHookOptions | undefined;
  readonly isRevoked?: ((identity: Identity) => boolean) | undefined;
  readonly onError?: ((error: unknown, doing: string) => void) | undefined;
  readonly clock: Clock;
}

const MAX_TOKEN_LENGTH = 8192;
const DEFAULT_MAX_TOKEN_LIFETIME_MS = 30 * 86_400_000;

const NOWHERE: TokenRequest = { address: '', headers: {} };

/**
 * Asks, in this order and until one knows the token: API keys, JWT keys, the application's function, its hook. A JWT
 * that one of our keys has signed is judged here alone, so that what this server refuses nobody else lets in.
 */
class TokenAuthenticator implements Authenticator {
  readonly #clock: Clock;
  readonly #apiKeys: ApiKeys;
  readonly #jwt: JwtVerifier;
  readonly #custom: AuthenticateFunction | undefined;
  readonly #hook: AuthHook | undefined;
  readonly #entityClaim: string | undefined;
  readonly #isRevoked: (identity: Identity) => boolean;
  readonly #providerParts: ProviderParts;

  constructor(options: AuthOptions) {
    const { keys = [], jwks, apiKeys = [], custom, hook, clock } = options;
    const hasProvider = custom !== undefined || hook !== undefined;
    if (keys.length === 0 && jwks === undefined && apiKeys.length === 0 && !hasProvider) {
      throw new Error('nothing can check tokens; configure auth.keys, auth.jwks, auth.apiKeys or auth.hook');
    }
    this.#clock = clock;
    this.#entityClaim = options.entityClaim;
    this.#isRevoked = options.isRevoked ?? (() => false);
    this.#apiKeys = new ApiKeys(apiKeys);
    this.#jwt = new JwtVerifier({
      ...options,
      maxTokenLifetimeMs: options.maxTokenLifetimeMs ?? DEFAULT_MAX_TOKEN_LIFETIME_MS,
    });
    this.#custom = custom;
    this.#providerParts = {
      clock,
      read: (token, claims) => this.#identityOf(token, claims),
      onError: options.onError ?? (() => {}),
    };
    this.#hook = hook === undefined ? undefined : new AuthHook(hook, this.#providerParts);
  }

  async authenticate(token: string, request: TokenRequest = NOWHERE): Promise<Identity> {
    if (token === '' || token.length > MAX_TOKEN_LENGTH) {
      throw unauthorized(`the token is empty or longer than ${MAX_TOKEN_LENGTH} characters`);
    }
    const digest = sha256(token);
    const identity =
      this.#apiKeys.find(digest) ?? (await this.#ask(token, digest.toString('base64'), request));
    if (this.#isRevoked(identity)) throw revokedToken();
    return identity;
  }

  isRevoked(identity: Identity): boolean {
    return this.#isRevoked(identity);
  }

  async #ask(token: string, digest: string, request: TokenRequest): Promise<Identity> {
    const outcome = await this.#jwt.verify(token, digest);
    if (outcome.identity !== undefined) return outcome.identity;
    if (this.#custom !== undefined) {
      const identity = await askFunction(this.#custom, token, request, this.#providerParts);
      if (identity !== undefined) return identity;
    }
    if (this.#hook !== undefined) return this.#hook.check(token, digest);
    throw outcome.refusal;
  }

  /** Of what the application answered. Where that does not say when the token was issued, it counts as issued now. */
  #identityOf(token: string, answer: unknown): Identity {
    if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) {
      throw new TypeError('the application did not answer with claims {sub, …}');
    }
    const claims = answer as Claims;
    const now = this.#clock.now();
    const expiresAt = readTime(claims, 'exp') ?? Number.POSITIVE_INFINITY;
    if (expiresAt <= now) throw expiredToken();
    return identityOf(claims, {
      fingerprint: fingerprintOf(token),
      expiresAt,
      // Whatever clock wrote it: what is there now is covered by a revocation from now on.
      issuedAt: Math.min(readTime(claims, 'iat') ?? now, now),
      entityClaim: this.#entityClaim,
    });
  }
}

/** Throws an `Error` that says which part of the configuration is malformed or too weak. */
export function createAuthenticator(options: AuthOptions): Authenticator {
  return new TokenAuthenticator(options);
}
