import { MillraceError } from '@millrace/protocol';
import { describe, expect, test } from 'vitest';
import { identityOf } from './identity.ts';

type Claims = Record<string, unknown>;

function problemOf(claims: Claims): string {
  try {
    identityOf(claims, facts);
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'unauthorized') return error.message;
    throw error;
  }
  throw new Error('the claims were accepted');
}

const facts = { fingerprint: '', issuedAt: 0, expiresAt: 0 };

describe('identityOf', () => {
  test.for<[claims: Claims, userId: string]>([
    [{ sub: 'alice', userId: 'other' }, 'alice'],
    [{ userId: 'alice' }, 'alice'],
    [{ user_id: 7 }, '7'],
    [{ id: 0 }, '0'],
    [{ sub: null, id: 'zoë' }, 'zoë'],
  ])('[AUTH-4] reads the user of %j', ([claims, userId]) => {
    expect(identityOf(claims, facts).userId).toBe(userId);
  });

  test.for<[claims: Claims, entityId: string]>([
    [{}, 'default'],
    [{ entity: 'acme', entityId: 'other' }, 'acme'],
    [{ entityId: 42 }, '42'],
    [{ currentEntityId: 'acme' }, 'acme'],
    [{ accountId: 'elsewhere' }, 'default'],
  ])('[AUTH-4] reads the entity of %j', ([claims, entityId]) => {
    expect(identityOf({ sub: 'alice', ...claims }, facts).entityId).toBe(entityId);
  });

  test('[AUTH-4] a configured claim is read as the entity first', () => {
    const claims = { sub: 'alice', accountId: 9, entity: 'other' };
    expect(identityOf(claims, { ...facts, entityClaim: 'accountId' }).entityId).toBe('9');
    expect(
      identityOf({ sub: 'alice', entity: 'acme' }, { ...facts, entityClaim: 'accountId' }).entityId,
    ).toBe('acme');
  });

  test.for<[claims: Claims, problem: string]>([
    [{}, '"sub" claim is missing'],
    [{ sub: '', userId: 'alice' }, '"sub" claim is empty'],
    [{ sub: ['alice'] }, '"sub" claim is neither a string nor a whole number'],
    [{ sub: 2 ** 53 }, '"sub" claim is neither a string nor a whole number'],
    [{ sub: 1.5 }, '"sub" claim is neither a string nor a whole number'],
    [{ sub: 'a\nb' }, '"sub" claim has characters that no id may have'],
    [{ sub: '\ud800' }, '"sub" claim has characters that no id may have'],
    [{ sub: 'é'.repeat(50) }, '"sub" claim is too long'],
    [{ sub: 'alice', entity: {} }, '"entity" claim is neither a string nor a whole number'],
    [{ sub: 'alice', topics: ['*'] }, '"topics" claim is not an object'],
    [{ sub: 'alice', topics: null }, '"topics" claim is not an object'],
    [{ sub: 'alice', topics: { subscribe: '*' } }, '"topics.subscribe" claim is not a list'],
    [{ sub: 'alice', topics: { publish: ['a', 'a*'] } }, '"topics.publish[1]" claim has a "*"'],
    [{ sub: 'alice', topics: { publish: [7] } }, '"topics.publish[0]" claim is not a string'],
  ])('[AUTH-4] refuses %j', ([claims, problem]) => {
    expect(problemOf(claims)).toContain(problem);
  });

  test.for<[claim: unknown, roles: readonly string[]]>([
    [undefined, ['observer']],
    [[], ['observer']],
    [['owner', 7], ['observer']],
    [['agent', 'owner', 'agent'], ['agent']],
    ['admin', ['admin']],
    ['Admin', ['observer']],
    [{ admin: true }, ['observer']],
  ])('[AUTH-6] the claim roles %j means %j', ([roles, expected]) => {
    expect(identityOf({ sub: 'alice', roles }, facts).roles).toEqual(expected);
  });

  test('[AUTH-6] reads the claim topics', () => {
    const topics = { subscribe: ['task.*'], publish: ['chat.1'] };
    const { permissions } = identityOf({ sub: 'alice', roles: ['member'], topics }, facts);
    expect(permissions.readable()).toEqual(['task.*']);
    expect(permissions.mayPublish('chat.1')).toBe(true);
    expect(permissions.mayPublish('chat.2')).toBe(false);
  });
});
