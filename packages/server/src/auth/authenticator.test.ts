import { createHash, createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CodeName, MillraceError } from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Clock } from '../clock.ts';
import { type Authenticator, type AuthOptions, createAuthenticator } from './authenticator.ts';
import type { Identity } from './identity.ts';
import type { AsymmetricAlgorithm, JwtKey, SecretKey, SigningKey } from './jwt-keys.ts';
import { type SignTokenOptions, signToken } from './sign-token.ts';

// `jose` reads the time of its key sets from Date, so the tests move Date and the clock follows.
const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => Date.now(),
  after: () => ({ cancel: () => undefined }),
};
const START = Date.parse('2026-11-20T12:00:00.000Z');

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: START });
});

afterEach(() => {
  vi.useRealTimers();
});

function passTime(ms: number): void {
  vi.setSystemTime(Date.now() + ms);
}

const secret: SecretKey = { alg: 'HS256', secret: 'a secret of at least thirty-two bytes' };

interface Pair {
  readonly signing: SigningKey;
  readonly checking: JwtKey & { readonly alg: AsymmetricAlgorithm };
  readonly publicKey: KeyObject;
}

function generate(alg: AsymmetricAlgorithm): { publicKey: KeyObject; privateKey: KeyObject } {
  switch (alg) {
    case 'RS256':
      return generateKeyPairSync('rsa', { modulusLength: 2048 });
    case 'ES256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' });
    case 'EdDSA':
      return generateKeyPairSync('ed25519');
  }
}

function pem(key: KeyObject): string {
  return String(key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' }));
}

function createPair(alg: AsymmetricAlgorithm, kid?: string): Pair {
  const { publicKey, privateKey } = generate(alg);
  return {
    signing: { alg, privateKey: pem(privateKey), kid },
    checking: { alg, publicKey: pem(publicKey), kid },
    publicKey,
  };
}

const pairs = { RS256: createPair('RS256'), ES256: createPair('ES256'), EdDSA: createPair('EdDSA') };

function sign(key: SigningKey, options: Partial<SignTokenOptions> = {}): Promise<string> {
  return signToken({ key, userId: 'alice', roles: ['member'], ttlMs: 60_000, clock, ...options });
}

function accepting(options: Partial<AuthOptions>): Authenticator {
  return createAuthenticator({ clock, ...options });
}

/** A token with any header and claims, signed with a secret or not at all. */
function forge(header: object, claims: unknown, hmacSecret?: string | Buffer): string {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const input = `${encode(header)}.${encode(claims)}`;
  const signature =
    hmacSecret === undefined ? '' : createHmac('sha256', hmacSecret).update(input).digest('base64url');
  return `${input}.${signature}`;
}

function signClaims(claims: unknown, header: object = { alg: 'HS256' }): string {
  return forge(header, claims, secret.secret);
}

const exp = START / 1000 + 60;

async function failureOf(result: Promise<Identity>): Promise<MillraceError> {
  const error = await result.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof MillraceError) return error;
  throw new Error('was not refused as it should be', { cause: error });
}

async function expectRefusal(
  authenticator: Authenticator,
  token: string,
  code: CodeName,
  problem: string,
): Promise<void> {
  const error = await failureOf(authenticator.authenticate(token));
  expect([error.code, error.message]).toEqual([code, expect.stringContaining(problem)]);
}

describe('JWT', async () => {
  test.for<[alg: string, signing: SigningKey, checking: JwtKey]>([
    ['HS256', secret, secret],
    ...Object.entries(pairs).map(
      ([alg, pair]) => [alg, pair.signing, pair.checking] as [string, SigningKey, JwtKey],
    ),
  ])('[AUTH-4] accepts %s', async ([, signing, checking]) => {
    const token = await sign(signing, { entityId: 'acme', topics: { subscribe: ['task.*'] } });
    const identity = await accepting({ keys: [checking] }).authenticate(token);
    expect(identity).toMatchObject({
      userId: 'alice',
      entityId: 'acme',
      roles: ['member'],
      expiresAt: START + 60_000,
    });
    expect(identity.permissions.readable()).toEqual(['task.*']);
  });

  test('[AUTH-4] accepts a token of another issuer with the claims that are also read', async () => {
    const token = signClaims({ userId: 7, currentEntityId: 3, accountId: 9, exp });
    expect(await accepting({ keys: [secret] }).authenticate(token)).toMatchObject({
      userId: '7',
      entityId: '3',
    });
    const configured = accepting({ keys: [secret], entityClaim: 'accountId' });
    expect(await configured.authenticate(token)).toMatchObject({ userId: '7', entityId: '9' });
  });

  test('[AUTH-4] refuses a signature by another key', async () => {
    const other = createPair('ES256');
    const authenticator = accepting({ keys: [secret, pairs.ES256.checking] });
    await expectRefusal(authenticator, await sign(other.signing), 'unauthorized', 'no key of this server');
    await expectRefusal(
      authenticator,
      await sign({ alg: 'HS256', secret: 'another secret of thirty-two bytes' }),
      'unauthorized',
      'no key of this server',
    );
  });

  test('[AUTH-4] refuses claims or a header that were changed after signing', async () => {
    const token = await sign(secret);
    const [header, , signature] = token.split('.');
    const claims = Buffer.from(JSON.stringify({ sub: 'bob', exp })).toString('base64url');
    const authenticator = accepting({ keys: [secret] });
    await expectRefusal(authenticator, `${header}.${claims}.${signature}`, 'unauthorized', 'no key');
    await expectRefusal(
      authenticator,
      forge({ alg: 'HS256', typ: 'JWT' }, { sub: 'bob', exp }),
      'unauthorized',
      '',
    );
  });

  test.for(['none', 'None', 'HS512', 'PS256', 'ES384', '', null, 7])(
    '[AUTH-4] refuses alg %j',
    async (alg) => {
      const authenticator = accepting({ keys: [secret, pairs.RS256.checking] });
      await expectRefusal(
        authenticator,
        forge({ alg }, { sub: 'alice', exp }),
        'unauthorized',
        'not signed with',
      );
      await expectRefusal(
        authenticator,
        signClaims({ sub: 'alice', exp }, { alg }),
        'unauthorized',
        'not signed with',
      );
    },
  );

  test('[AUTH-4] refuses HS256 made with an RSA public key as its secret', async () => {
    const { publicKey } = pairs.RS256;
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    for (const bytes of [pem(publicKey), pem(publicKey).trim(), spki]) {
      const token = forge({ alg: 'HS256' }, { sub: 'alice', exp }, bytes);
      await expectRefusal(accepting({ keys: [pairs.RS256.checking] }), token, 'unauthorized', 'no key');
      await expectRefusal(
        accepting({ keys: [pairs.RS256.checking, secret] }),
        token,
        'unauthorized',
        'no key',
      );
    }
  });

  test('[AUTH-4] ignores keys that a token brings itself, and refuses what it calls critical', async () => {
    const other = createPair('ES256');
    const jwk = other.publicKey.export({ format: 'jwk' });
    const authenticator = accepting({ keys: [pairs.ES256.checking, secret] });
    const [, claims, signature] = (await sign(other.signing)).split('.');
    const header = Buffer.from(JSON.stringify({ alg: 'ES256', jwk })).toString('base64url');
    await expectRefusal(authenticator, `${header}.${claims}.${signature}`, 'unauthorized', 'no key');
    const critical = signClaims({ sub: 'alice', exp }, { alg: 'HS256', crit: ['x'], x: 1 });
    await expectRefusal(authenticator, critical, 'unauthorized', 'malformed');
  });

  test.for([
    ['an empty text', ''],
    ['a word', 'x'],
    ['three words', 'a.b.c'],
    ['two dots', '..'],
    ['other letters', 'é.é.é'],
    ['a text that is too long', 'x'.repeat(8193)],
    ['a token without its signature', (await sign(secret)).split('.').slice(0, 2).join('.')],
    ['a token with half its signature', (await sign(secret)).slice(0, -20)],
    ['a header that is no object', `${Buffer.from('[]').toString('base64url')}.e30.e30`],
  ] as const)('[AUTH-4] refuses %s', async ([, token]) => {
    expect((await failureOf(accepting({ keys: [secret] }).authenticate(token))).code).toBe('unauthorized');
  });

  test.for<[claims: unknown, problem: string]>([
    [{ sub: 'alice' }, '"exp" claim is missing'],
    [{ sub: 'alice', exp: 'tomorrow' }, '"exp" claim is not'],
    [{ sub: 'alice', exp: null }, '"exp" claim is not'],
    [{ exp }, '"sub" claim is missing'],
    [{ sub: 'alice', exp, nbf: exp - 30 }, '"nbf" claim is not'],
    [['sub'], 'malformed'],
  ])('[AUTH-4] refuses the claims %j', async ([claims, problem]) => {
    await expectRefusal(accepting({ keys: [secret] }), signClaims(claims), 'unauthorized', problem);
  });

  test('[AUTH-4] tolerates an issuer whose clock is a little ahead', async () => {
    const authenticator = accepting({ keys: [secret] });
    const token = signClaims({ sub: 'alice', exp, nbf: START / 1000 + 5, iat: START / 1000 + 5 });
    // Or a revocation of its user from now on would not cover it.
    expect(await authenticator.authenticate(token)).toMatchObject({
      userId: 'alice',
      credential: { issuedAt: START },
    });
    const early = signClaims({ sub: 'alice', exp, nbf: START / 1000 + 6 });
    await expectRefusal(authenticator, early, 'unauthorized', '"nbf"');
  });

  test('[AUTH-12] refuses a token of the future, which would outlive its longest lifetime and its user’s revocation', async () => {
    const authenticator = accepting({ keys: [secret] });
    const inTenYears = START / 1000 + 10 * 365 * 86_400;
    const lasting = signClaims({ sub: 'alice', iat: inTenYears, exp: inTenYears + 60 });
    await expectRefusal(authenticator, lasting, 'unauthorized', 'in the future');
    const soon = signClaims({ sub: 'alice', exp, iat: START / 1000 + 6 });
    await expectRefusal(authenticator, soon, 'unauthorized', 'in the future');
  });

  test('[AUTH-4] a token ends when it says, verified before or not', async () => {
    const token = await sign(secret);
    const authenticator = accepting({ keys: [secret] });
    await authenticator.authenticate(token);
    passTime(59_999);
    await authenticator.authenticate(token);
    passTime(1);
    await expectRefusal(authenticator, token, 'token-expired', 'fresh');
    await expectRefusal(accepting({ keys: [secret] }), token, 'token-expired', 'fresh');
  });

  test('[AUTH-4] demands the configured issuer and audience', async () => {
    const authenticator = accepting({ keys: [secret], issuer: ['https://id.example'], audience: 'millrace' });
    const right = { issuer: 'https://id.example', audience: 'millrace' };
    expect((await authenticator.authenticate(await sign(secret, right))).userId).toBe('alice');
    const wrong: readonly (readonly [Partial<SignTokenOptions>, string])[] = [
      [{ ...right, issuer: 'https://evil.example' }, '"iss" claim is not'],
      [{ ...right, audience: 'shop' }, '"aud" claim is not'],
      [{ ...right, audience: undefined }, '"aud" claim is missing'],
      [{ ...right, issuer: undefined }, '"iss" claim is missing'],
    ];
    for (const [options, problem] of wrong) {
      await expectRefusal(authenticator, await sign(secret, options), 'unauthorized', problem);
    }
  });

  test('[AUTH-4] while a configured key is rotated, the old and the new one are good', async () => {
    const old: SecretKey = { alg: 'HS256', secret: 'the former secret, thirty-two bytes' };
    const authenticator = accepting({ keys: [secret, old] });
    expect((await authenticator.authenticate(await sign(old))).userId).toBe('alice');
    expect((await authenticator.authenticate(await sign(secret))).userId).toBe('alice');
  });

  test('[AUTH-4] a key with an id checks only tokens that name it, or none', async () => {
    const authenticator = accepting({ keys: [{ ...secret, kid: 'k1' }] });
    expect((await authenticator.authenticate(await sign({ ...secret, kid: 'k1' }))).userId).toBe('alice');
    expect((await authenticator.authenticate(await sign(secret))).userId).toBe('alice');
    await expectRefusal(authenticator, await sign({ ...secret, kid: 'k2' }), 'unauthorized', 'no key');
  });

  test('neither errors nor their causes carry the token or its claims', async () => {
    const authenticator = accepting({ keys: [secret], audience: 'millrace' });
    const claims = { sub: 'confidential', exp, aud: 'confidential', iss: 'confidential' };
    const tokens = [
      signClaims(claims),
      signClaims({ ...claims, aud: 'millrace', sub: { confidential: 1 } }),
      signClaims({ ...claims, aud: 'millrace', exp: 1 }),
      forge({ alg: 'HS256' }, claims, 'wrong'),
      'confidential',
      'confidential.confidential.confidential',
    ];
    for (const token of tokens) {
      const error = await failureOf(authenticator.authenticate(token));
      const shown = `${error.message} ${JSON.stringify(error.details)} ${error.stack}`;
      expect(error.cause).toBeUndefined();
      expect(shown).not.toContain('confidential');
      for (const part of token.split('.')) if (part !== '') expect(shown).not.toContain(part);
    }
  });

  test('a token that was verified is not verified again', async () => {
    const authenticator = accepting({ keys: [secret] });
    const token = await sign(secret);
    const first = await authenticator.authenticate(token);
    expect(await authenticator.authenticate(token)).toBe(first);
  });

  test('the number of tokens remembered is bounded', async () => {
    const authenticator = accepting({ keys: [secret], maxCachedTokens: 1 });
    const [token, other] = await Promise.all([sign(secret), sign(secret, { userId: 'bob' })]);
    const first = await authenticator.authenticate(token);
    await authenticator.authenticate(other);
    expect(await authenticator.authenticate(token)).not.toBe(first);
  });
});

describe('configuration', () => {
  const weakRsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey;
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey;

  test.for<[name: string, options: Partial<AuthOptions>, problem: string]>([
    ['no key at all', {}, 'nothing can check tokens'],
    ['a short secret', { keys: [{ alg: 'HS256', secret: 'x'.repeat(31) }] }, 'less than 32 bytes'],
    ['a key that is not PEM', { keys: [{ alg: 'RS256', publicKey: 'hunter2' }] }, 'not a PEM key'],
    ['a short RSA key', { keys: [{ alg: 'RS256', publicKey: pem(weakRsa) }] }, 'not fit for RS256'],
    ['another curve', { keys: [{ alg: 'ES256', publicKey: pem(p384) }] }, 'not fit for ES256'],
    [
      'a key of another kind',
      { keys: [{ alg: 'EdDSA', publicKey: pem(pairs.RS256.publicKey) }] },
      'not fit for EdDSA',
    ],
    [
      'an API key of an entity of the server’s own [AUTH-9]',
      { apiKeys: [{ id: 'a', key: 'k'.repeat(32), entity: '$system', roles: ['admin'] }] },
      'begins with "$"',
    ],
    ['a relative JWKS url', { jwks: { url: '/jwks.json' } }, 'Invalid URL'],
  ])('refuses %s', ([, options, problem]) => {
    expect(() => accepting(options)).toThrow(problem);
  });

  test('an error about a key does not quote it', () => {
    expect(() => accepting({ keys: [{ alg: 'RS256', publicKey: 'hunter2' }] })).not.toThrow('hunter2');
  });

  test('a token is not signed with a key that no server would accept', async () => {
    await expect(sign({ alg: 'HS256', secret: 'short' })).rejects.toThrow('less than 32 bytes');
  });
});

describe('API keys', () => {
  const key = 'mk_0123456789abcdef0123456789abcdef';
  const keyHash = createHash('sha256').update(key).digest('hex');

  test.for([{ key }, { keyHash }, { keyHash: keyHash.toUpperCase() }])(
    '[AUTH-4] accepts an API key (%j)',
    async (given) => {
      const apiKeys = [{ id: 'billing', entity: 'acme', roles: ['publisher'], ...given }] as const;
      const authenticator = accepting({ apiKeys });
      const identity = await authenticator.authenticate(key);
      expect(identity).toMatchObject({
        userId: 'billing',
        entityId: 'acme',
        roles: ['publisher'],
        expiresAt: Number.POSITIVE_INFINITY,
      });
      expect(identity.permissions.mayPublish('task.a')).toBe(true);
      await expectRefusal(authenticator, `${key}x`, 'unauthorized', 'neither a JWT nor a known API key');
      await expectRefusal(authenticator, keyHash, 'unauthorized', 'neither a JWT nor a known API key');
    },
  );

  test('[AUTH-6] the topics of an API key take the place of the default', async () => {
    const apiKeys = [{ id: 'billing', key, roles: ['publisher'], topics: { publish: ['bill.*'] } }] as const;
    const { permissions, entityId } = await accepting({ apiKeys }).authenticate(key);
    expect(entityId).toBe('default');
    expect(permissions.mayPublish('bill.7')).toBe(true);
    expect(permissions.mayPublish('task.a')).toBe(false);
  });

  test('API keys and JWTs are accepted side by side', async () => {
    const authenticator = accepting({ keys: [secret], apiKeys: [{ id: 'billing', key, roles: ['agent'] }] });
    expect((await authenticator.authenticate(key)).userId).toBe('billing');
    expect((await authenticator.authenticate(await sign(secret))).userId).toBe('alice');
  });

  const entry = { id: 'billing', key, roles: ['publisher'] } as const;
  test.for<[apiKey: NonNullable<AuthOptions['apiKeys']>[number], problem: string]>([
    [{ ...entry, key: 'short' }, 'less than 32 characters'],
    [{ ...entry, key: undefined }, 'needs either key or keyHash'],
    [{ ...entry, keyHash }, 'needs either key or keyHash'],
    [{ ...entry, key: undefined, keyHash: 'abc' }, 'not a SHA-256 in hex'],
    [{ ...entry, id: '' }, 'is empty'],
    [{ ...entry, entity: 'a\u0000' }, 'has characters'],
    [{ ...entry, roles: [] }, 'has no role'],
    [{ ...entry, topics: { publish: ['a*'] } }, 'has a "*"'],
  ])('refuses the API key %j', ([apiKey, problem]) => {
    expect(() => accepting({ apiKeys: [apiKey] })).toThrow(problem);
    expect(() => accepting({ apiKeys: [apiKey] })).not.toThrow(key);
  });
});

function keySet(...members: readonly Pair[]): string {
  return JSON.stringify({
    keys: members.map(({ checking, publicKey }) => ({
      ...publicKey.export({ format: 'jwk' }),
      alg: checking.alg,
      ...(checking.kid === undefined ? {} : { kid: checking.kid }),
    })),
  });
}

const MAX_AGE_MS = 600_000;
const HOUR_MS = 3_600_000;

describe('JWKS', () => {
  const first = createPair('RS256', 'first');
  const second = createPair('ES256', 'second');
  let server: Server;
  let url: string;
  let fetches: number;
  let answer: { status: number; body: string };

  beforeEach(async () => {
    fetches = 0;
    answer = { status: 200, body: keySet(first) };
    server = createServer((_request, response) => {
      fetches += 1;
      response.writeHead(answer.status).end(answer.body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`;
  });

  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const token = (pair: Pair, userId = 'alice') => sign(pair.signing, { userId, ttlMs: HOUR_MS });

  test('[AUTH-4] fetches the keys once for many tokens', async () => {
    const authenticator = accepting({ jwks: { url } });
    const tokens = await Promise.all(['a', 'b', 'c'].map((userId) => token(first, userId)));
    const identities = await Promise.all(tokens.map((each) => authenticator.authenticate(each)));
    expect(identities.map((identity) => identity.userId)).toEqual(['a', 'b', 'c']);
    expect(fetches).toBe(1);
  });

  test('[AUTH-4] learns a new key when a token names it', async () => {
    const authenticator = accepting({ jwks: { url } });
    await authenticator.authenticate(await token(first));
    answer.body = keySet(first, second);
    passTime(30_000);
    expect((await authenticator.authenticate(await token(second))).userId).toBe('alice');
    expect((await authenticator.authenticate(await token(first, 'bob'))).userId).toBe('bob');
    expect(fetches).toBe(2);
  });

  test('unknown keys cause no more than one fetch in 30 s', async () => {
    const authenticator = accepting({ jwks: { url } });
    for (let i = 0; i < 5; i++) {
      await expectRefusal(
        authenticator,
        await token(createPair('EdDSA', `no-${i}`)),
        'unauthorized',
        'no key',
      );
    }
    expect(fetches).toBe(1);
  });

  test('[AUTH-4] a key taken out of the set stops working, for known tokens too', async () => {
    const authenticator = accepting({ jwks: { url } });
    const known = await token(first);
    await authenticator.authenticate(known);
    answer.body = keySet(second);
    passTime(MAX_AGE_MS - 1);
    expect((await authenticator.authenticate(known)).userId).toBe('alice');
    passTime(1);
    await expectRefusal(authenticator, known, 'unauthorized', 'no key');
  });

  test('[AUTH-4] tries every key of the set that could be meant', async () => {
    const [left, right] = [createPair('EdDSA'), createPair('EdDSA')];
    answer.body = keySet(left, right);
    const authenticator = accepting({ jwks: { url } });
    expect((await authenticator.authenticate(await token(right))).userId).toBe('alice');
    expect((await authenticator.authenticate(await token(left))).userId).toBe('alice');
    await expectRefusal(authenticator, await token(createPair('EdDSA')), 'unauthorized', 'no key');
  });

  test('[AUTH-4] HS256 is never checked by a key set', async () => {
    answer.body = JSON.stringify({
      keys: [{ kty: 'oct', alg: 'HS256', k: Buffer.from(secret.secret).toString('base64url') }],
    });
    await expectRefusal(accepting({ jwks: { url } }), await sign(secret), 'unauthorized', 'no key');
    expect(fetches).toBe(0);
  });

  test('configured keys work beside a key set, and need no fetch', async () => {
    const authenticator = accepting({ keys: [secret], jwks: { url } });
    expect((await authenticator.authenticate(await sign(secret))).userId).toBe('alice');
    expect(fetches).toBe(0);
    expect((await authenticator.authenticate(await token(first))).userId).toBe('alice');
  });

  test.for([
    { status: 500, body: '' },
    { status: 200, body: 'not JSON' },
    { status: 200, body: '{}' },
    { status: 302, body: '' },
  ])('says that keys cannot be fetched (%j), and recovers', async (failure) => {
    const good = answer;
    answer = failure;
    const authenticator = accepting({ jwks: { url } });
    const error = await failureOf(authenticator.authenticate(await token(first)));
    expect([error.code, error.retryable]).toEqual(['internal', true]);
    expect(error.message).not.toContain(url);
    expect(error.cause).toBeInstanceOf(Error);
    answer = good;
    expect((await authenticator.authenticate(await token(first))).userId).toBe('alice');
  });

  test('[AUTH-4] reads the keys from a file, and again when a token names a new one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-jwks-'));
    try {
      const file = join(folder, 'jwks.json');
      const authenticator = accepting({ jwks: { file } });
      expect((await failureOf(authenticator.authenticate(await token(first)))).code).toBe('internal');
      await writeFile(file, keySet(first));
      expect((await authenticator.authenticate(await token(first))).userId).toBe('alice');
      await writeFile(file, keySet(second));
      passTime(1_000);
      expect((await authenticator.authenticate(await token(second))).userId).toBe('alice');
      await expectRefusal(authenticator, await token(first, 'bob'), 'unauthorized', 'no key');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
