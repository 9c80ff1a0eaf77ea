import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { MillraceError } from '@millrace/protocol';
import { type CryptoKey, createRemoteJWKSet, customFetch, errors, type FetchImplementation } from 'jose';

export const JWT_ALGORITHMS = ['HS256', 'RS256', 'ES256', 'EdDSA'] as const;
export type JwtAlgorithm = (typeof JWT_ALGORITHMS)[number];
export type AsymmetricAlgorithm = Exclude<JwtAlgorithm, 'HS256'>;

export interface SecretKey {
  readonly alg: 'HS256';
  /** At least 32 bytes (RFC 7518 §3.2). A text stands for its UTF-8 bytes. */
  readonly secret: string;
  /** Only tokens that name this key, or none, are checked with it. */
  readonly kid?: string | undefined;
}

/** A key that checks tokens. */
export type JwtKey =
  | SecretKey
  | {
      readonly alg: AsymmetricAlgorithm;
      /** PEM. */
      readonly publicKey: string;
      readonly kid?: string | undefined;
    };

/** A key that makes tokens. */
export type SigningKey =
  | SecretKey
  | {
      readonly alg: AsymmetricAlgorithm;
      /** PEM, PKCS #8. */
      readonly privateKey: string;
      readonly kid?: string | undefined;
    };

/** Where a JSON Web Key Set is found. */
export type JwksLocation = { readonly url: string } | { readonly file: string };

export interface TokenHeader {
  readonly alg: JwtAlgorithm;
  readonly kid?: string | undefined;
}

/** The keys that may have signed a token with this header; each of them is fit for the header's `alg` and no other. */
export type KeySource = (header: TokenHeader) => Promise<readonly (KeyObject | CryptoKey)[]>;

const MIN_SECRET_BYTES = 32;
const MIN_RSA_BITS = 2048;

/** How long keys are used before the set is fetched again, and so how long a key works after it was taken out. */
export const JWKS_MAX_AGE_MS = 600_000;
/** How soon after a fetch an unknown key may cause the next one. */
const JWKS_COOLDOWN_MS = { url: 30_000, file: 1_000 };

function isFit(alg: AsymmetricAlgorithm, key: KeyObject): boolean {
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {};
  switch (alg) {
    case 'RS256':
      return key.asymmetricKeyType === 'rsa' && modulusLength >= MIN_RSA_BITS;
    case 'ES256':
      return key.asymmetricKeyType === 'ec' && namedCurve === 'prime256v1';
    case 'EdDSA':
      return key.asymmetricKeyType === 'ed25519';
  }
}

function parsePem(alg: AsymmetricAlgorithm, parse: () => KeyObject): KeyObject {
  let key: KeyObject;
  try {
    key = parse();
  } catch {
    // The cause could quote the key.
    throw new Error(`the ${alg} key is not a PEM key; see \`openssl genpkey\``);
  }
  if (!isFit(alg, key)) {
    throw new Error(
      `the key is not fit for ${alg}; RS256 takes RSA of ${MIN_RSA_BITS} bits or more, ES256 P-256, EdDSA Ed25519`,
    );
  }
  return key;
}

function importSecret({ secret }: SecretKey): KeyObject {
  const bytes = Buffer.from(secret, 'utf8');
  if (bytes.length < MIN_SECRET_BYTES) {
    throw new Error(`the HS256 secret has less than ${MIN_SECRET_BYTES} bytes; see \`openssl rand -hex 32\``);
  }
  return createSecretKey(bytes);
}

/** Throws an `Error` for a key that is malformed, too weak or of another kind than its `alg`. */
function importVerificationKey(key: JwtKey): KeyObject {
  return key.alg === 'HS256'
    ? importSecret(key)
    : parsePem(key.alg, () => createPublicKey({ key: key.publicKey, format: 'pem' }));
}

/** Throws an `Error` for a key that is malformed, too weak or of another kind than its `alg`. */
export function importSigningKey(key: SigningKey): KeyObject {
  return key.alg === 'HS256'
    ? importSecret(key)
    : parsePem(key.alg, () => createPrivateKey({ key: key.privateKey, format: 'pem' }));
}

/** Keys of the configuration. Throws as {@link importVerificationKey} does. */
export function createStaticKeys(keys: readonly JwtKey[]): KeySource {
  const imported = keys.map((key) => ({ alg: key.alg, kid: key.kid, key: importVerificationKey(key) }));
  return async (header) =>
    imported
      .filter(({ alg }) => alg === header.alg)
      .filter(({ kid }) => kid === undefined || header.kid === undefined || kid === header.kid)
      .map(({ key }) => key);
}

async function collect(keys: AsyncIterable<CryptoKey>): Promise<readonly CryptoKey[]> {
  const collected: CryptoKey[] = [];
  for await (const key of keys) collected.push(key);
  return collected;
}

function createJwks(location: JwksLocation): ReturnType<typeof createRemoteJWKSet> {
  if ('url' in location) {
    return createRemoteJWKSet(new URL(location.url), {
      cacheMaxAge: JWKS_MAX_AGE_MS,
      cooldownDuration: JWKS_COOLDOWN_MS.url,
    });
  }
  const readKeys: FetchImplementation = async () => new Response(await readFile(location.file, 'utf8'));
  return createRemoteJWKSet(pathToFileURL(location.file), {
    cacheMaxAge: JWKS_MAX_AGE_MS,
    cooldownDuration: JWKS_COOLDOWN_MS.file,
    [customFetch]: readKeys,
  });
}

/**
 * A key set that is fetched when first needed, when it is old, and when a token names a key that is not in it.
 * Rejects with `internal` when it cannot be fetched.
 */
export function createJwksKeys(location: JwksLocation): KeySource {
  const findKey = createJwks(location);
  return async (header) => {
    // A set of public keys says nothing about secrets.
    if (header.alg === 'HS256') return [];
    try {
      return [
        await findKey(header.kid === undefined ? { alg: header.alg } : { alg: header.alg, kid: header.kid }),
      ];
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey) return [];
      if (error instanceof errors.JWKSMultipleMatchingKeys) return collect(error);
      throw new MillraceError('internal', 'the keys that check tokens cannot be fetched; try again soon', {
        cause: error,
      });
    }
  };
}
