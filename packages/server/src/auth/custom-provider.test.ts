import { type CodeName, MillraceError } from '@millrace/protocol';
import { ManualClock } from '@millrace/testkit';
import { describe, expect, test } from 'vitest';
import { createAuthenticator } from './authenticator.ts';
import { type AuthenticateFunction, FUNCTION_TIMEOUT_MS } from './custom-provider.ts';
import { signToken } from './sign-token.ts';

const clock = new ManualClock();
const key = { alg: 'HS256', secret: 'a secret of at least thirty-two bytes' } as const;
const apiKey = { id: 'backend', key: 'k'.repeat(32), roles: ['publisher'] } as const;
const errors: unknown[] = [];

function accepting(custom: AuthenticateFunction) {
  return createAuthenticator({
    clock,
    keys: [key],
    apiKeys: [apiKey],
    custom,
    onError: (error) => errors.push(error),
  });
}

const sign = (options: { ttlMs?: number } = {}) =>
  signToken({ key, userId: 'by-jwt', roles: ['member'], ttlMs: 60_000, clock, ...options });

async function codeOf(result: Promise<unknown>): Promise<CodeName> {
  const error = await result.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof MillraceError) return error.code;
  throw new Error('was not refused', { cause: error });
}

describe('the application’s function', () => {
  test('[AUTH-13] is asked after API keys and JWT keys, and its claims are read as those of a JWT', async () => {
    const asked: string[] = [];
    const authenticator = accepting((token) => {
      asked.push(token);
      return {
        user_id: 7,
        entityId: 'acme',
        roles: ['member', 'wizard'],
        topics: { subscribe: ['task.*'] },
        exp: clock.now() / 1000 + 60,
      };
    });
    expect(await authenticator.authenticate(apiKey.key)).toMatchObject({ userId: 'backend' });
    expect(await authenticator.authenticate(await sign())).toMatchObject({ userId: 'by-jwt' });
    const identity = await authenticator.authenticate('opaque');
    expect(identity).toMatchObject({
      userId: '7',
      entityId: 'acme',
      roles: ['member'],
      expiresAt: clock.now() + 60_000,
    });
    expect(identity.permissions.maySubscribe('other.a')).toBe(false);
    expect(asked).toEqual(['opaque']);
  });

  test('[AUTH-13] is not asked about what a key of ours has signed and we refuse', async () => {
    const authenticator = accepting(() => ({ sub: 'let in all the same' }));
    const short = await sign({ ttlMs: 1000 });
    clock.advance(2000);
    expect(await codeOf(authenticator.authenticate(short))).toBe('token-expired');
    expect(await codeOf(authenticator.authenticate(await sign({ ttlMs: 400 * 86_400_000 })))).toBe(
      'unauthorized',
    );
  });

  test('[AUTH-13] is told where the token came from', async () => {
    const request = { address: '192.0.2.7', headers: { origin: 'https://app.example.com' } };
    const authenticator = accepting((_, { address, headers }) => ({ sub: `${address} ${headers.origin}` }));
    expect(await authenticator.authenticate('t', request)).toMatchObject({
      userId: '192.0.2.7 https://app.example.com',
    });
  });

  const bad: [string, AuthenticateFunction, CodeName][] = [
    ['knows no such token', () => undefined, 'unauthorized'],
    [
      'throws',
      () => {
        throw new Error('the database is gone');
      },
      'unavailable',
    ],
    ['rejects', () => Promise.reject(new TypeError('x')), 'unavailable'],
    ['answers with no object', () => 'ann' as never, 'unavailable'],
    ['answers with null', () => null as never, 'unavailable'],
    ['names nobody', () => ({ entity: 'acme' }), 'unauthorized'],
    ['names the server’s own entity', () => ({ sub: 'ann', entity: '$system' }), 'unauthorized'],
    ['says that it has expired', () => ({ sub: 'ann', exp: clock.now() / 1000 }), 'token-expired'],
    ['says an end that is no time', () => ({ sub: 'ann', exp: 'never' }), 'unauthorized'],
    [
      'refuses in its own words',
      () => {
        throw new MillraceError('forbidden', 'pay first');
      },
      'forbidden',
    ],
  ];
  test.each(bad)('[AUTH-14] lets nobody in when it %s', async (_, custom, code) => {
    expect(await codeOf(accepting(custom).authenticate('opaque'))).toBe(code);
  });

  test('[AUTH-14] lets nobody in when it is late', async () => {
    const called = Promise.withResolvers<void>();
    const authenticator = accepting(() => {
      called.resolve();
      return new Promise(() => {});
    });
    const code = codeOf(authenticator.authenticate('opaque'));
    await called.promise;
    clock.advance(FUNCTION_TIMEOUT_MS);
    expect(await code).toBe('unavailable');
  });

  test('[AUTH-15] may quote the token in what it throws: it is not in what is logged', async () => {
    errors.length = 0;
    const authenticator = accepting((token) => {
      throw new Error(`no session for ${token}`, { cause: new Error(token) });
    });
    await codeOf(authenticator.authenticate('canary-token'));
    expect(errors).toHaveLength(1);
    const { stack, cause } = errors[0] as Error;
    expect(stack).toContain('no session for [token]');
    expect([stack, cause]).toEqual([expect.not.stringContaining('canary-token'), undefined]);
  });
});
