import { describe, expect, test } from 'vitest';
import type { Identity } from './identity.ts';
import { type Revocation, RevocationList, type RevokedThing } from './revocation-list.ts';

const BOUNDS = { perEntity: 2, inAll: 3 };

function identity(token: {
  entityId?: string;
  userId?: string;
  fingerprint?: string;
  jti?: string;
  issuedAt?: number;
}): Identity {
  const { entityId = 'acme', userId = 'ann', fingerprint = 'f', jti, issuedAt = 1000 } = token;
  const credential = { kind: 'token', fingerprint, jti, issuedAt } as const;
  return { entityId, userId, credential } as Identity;
}

const of = (thing: RevokedThing, until = 9000, entityId = 'acme'): Revocation => ({ entityId, thing, until });

function listOf(...revocations: Revocation[]): RevocationList {
  const list = new RevocationList(BOUNDS);
  for (const each of revocations) list.add(each);
  return list;
}

describe('[AUTH-10] a revocation covers', () => {
  test('the token with this fingerprint, and no other', () => {
    const list = listOf(of({ kind: 'token', fingerprint: 'f' }));
    expect(list.covers(identity({}))).toBe(true);
    expect(list.covers(identity({ fingerprint: 'g', jti: 'f', userId: 'f' }))).toBe(false);
  });

  test('the tokens with this jti', () => {
    const list = listOf(of({ kind: 'jti', jti: 'j' }));
    expect(list.covers(identity({ jti: 'j' }))).toBe(true);
    expect(list.covers(identity({ fingerprint: 'j', userId: 'j' }))).toBe(false);
  });

  test('what a user was issued until then, whatever order it is heard in', () => {
    for (const times of [
      [1000, 500],
      [500, 1000],
    ]) {
      const list = listOf(...times.map((issuedBy) => of({ kind: 'user', userId: 'ann', issuedBy })));
      expect(list.covers(identity({ issuedAt: 1000 }))).toBe(true);
      expect(list.covers(identity({ issuedAt: 1001 }))).toBe(false);
      expect(list.covers(identity({ userId: 'bob', issuedAt: 1 }))).toBe(false);
    }
  });

  test('an API key by its id, and no token of a user with that name', () => {
    const list = listOf(of({ kind: 'key', keyId: 'backend' }));
    expect(list.covers({ ...identity({}), credential: { kind: 'key', keyId: 'backend' } })).toBe(true);
    expect(list.covers(identity({ userId: 'backend' }))).toBe(false);
  });

  test('[AUTH-11] its own entity only', () => {
    const list = listOf(
      of({ kind: 'token', fingerprint: 'f' }),
      of({ kind: 'user', userId: 'ann', issuedBy: 5000 }),
    );
    expect(list.covers(identity({ entityId: 'else' }))).toBe(false);
  });
});

describe('[AUTH-12] what is over by itself', () => {
  test('is forgotten from that moment on, and nothing before', () => {
    const list = listOf(of({ kind: 'jti', jti: 'a' }, 100), of({ kind: 'jti', jti: 'b' }, 101));
    list.sweep(100);
    expect([list.size, list.covers(identity({ jti: 'a' })), list.covers(identity({ jti: 'b' }))]).toEqual([
      1,
      false,
      true,
    ]);
    list.sweep(101);
    expect(list.size).toBe(0);
  });

  test('is what names it for longest', () => {
    const list = listOf(of({ kind: 'jti', jti: 'a' }, 100), of({ kind: 'jti', jti: 'a' }, 50));
    list.sweep(99);
    expect(list.size).toBe(1);
  });
});

describe('[AUTH-12] the list', () => {
  test('has room for so many of an entity and in all, and always for what it has', () => {
    const list = listOf(of({ kind: 'jti', jti: 'a' }), of({ kind: 'jti', jti: 'b' }));
    expect(list.hasRoom(of({ kind: 'jti', jti: 'c' }))).toBe(false);
    expect(list.hasRoom(of({ kind: 'jti', jti: 'b' }))).toBe(true);
    const elsewhere = of({ kind: 'jti', jti: 'c' }, 9000, 'else');
    expect(list.hasRoom(elsewhere)).toBe(true);
    list.add(elsewhere);
    expect(list.hasRoom(of({ kind: 'jti', jti: 'd' }, 9000, 'third'))).toBe(false);
    list.sweep(9000);
    expect(list.hasRoom(of({ kind: 'jti', jti: 'd' }, 9000, 'third'))).toBe(true);
  });
});
