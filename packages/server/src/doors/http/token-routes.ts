import { MillraceError } from '@millrace/protocol';
import Type from 'typebox';
import type { Identity } from '../../auth/identity.ts';
import type { RevokedThing } from '../../auth/revocation-list.ts';
import { fingerprintOf } from '../../auth/token-fingerprint.ts';
import { actorOf, administratorOf, type Guard } from './authentication.ts';
import type { HttpContext, HttpRouter } from './http-context.ts';
import { guardedAnswers, SECURED } from './route-docs.ts';
import { createShapeCheck } from './shape-check.ts';

const Name = (description: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength: 255, description }));

const RevokeBody = Type.Object(
  {
    token: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 8192,
        description: 'A token of this entity; it is not stored.',
      }),
    ),
    jti: Name('The claim `jti` of a token.'),
    user_id: Name('A user, all of whose tokens issued until now are revoked.'),
    api_key: Name('The `id` of an API key. It stays revoked for as long as the log is kept.'),
    reason: Name('For the record.'),
  },
  { description: 'Exactly one of `token`, `jti`, `user_id` and `api_key`, and perhaps a reason.' },
);
type RevokeBody = Type.Static<typeof RevokeBody>;

const RevokeAnswer = Type.Object(
  {
    revoked: Type.Enum(['token', 'jti', 'user_id', 'api_key']),
    until: Type.Union([Type.String(), Type.Null()], {
      description: 'When it is forgotten, because no such token would be valid any more; `null`: never.',
    }),
  },
  { description: 'It is revoked, and sessions with it are closed.' },
);
type RevokeAnswer = Type.Static<typeof RevokeAnswer>;

const RevokeSchema = {
  ...SECURED,
  operationId: 'revokeToken',
  tags: ['Administration'],
  summary: 'Revoke tokens',
  description: [
    'From here on what is revoked is refused at every door (401 `unauthorized`), and its sessions are closed with 4501. It',
    'survives restarts. Needs the role `admin`, and reaches the token’s own entity only.',
    '',
    'A user’s tokens are told from newer ones by their `iat`, which has whole seconds: a token that is issued in the very',
    'second of the revocation is revoked, too. A token without `iat` counts as issued `auth.maxTokenLifetime` before it ends.',
  ].join('\n'),
  body: RevokeBody,
  response: {
    200: RevokeAnswer,
    ...guardedAnswers('bad-message', 'forbidden', 'storage-full', 'unavailable', 'unknown'),
  },
} as const;

/** What to revoke, how it is named in the answer and in the audit, and when it is over by itself. */
interface Wanted {
  readonly by: RevokeAnswer['revoked'];
  readonly name: string;
  readonly thing: RevokedThing;
  readonly until?: number;
}

export function addTokenRoutes(router: HttpRouter, guard: Guard, context: HttpContext): void {
  const { audit, revocations } = context;
  const checkBody = createShapeCheck(RevokeBody);

  router.post('/api/v1/tokens/revoke', { ...guard, schema: RevokeSchema }, async (request) => {
    const { entityId, userId } = administratorOf(request);
    const body = checkBody(request.body, '');
    const { by, name, thing, until } = await readWanted(body, entityId, context);
    const { reason } = body;
    const target = { [by]: name, ...(reason !== undefined && { reason }) };
    const revocation = await audit.run(actorOf(request), { action: 'revoke', target }, () =>
      revocations.revoke(entityId, thing, { by: userId, reason, ...(until !== undefined && { until }) }),
    );
    return {
      revoked: by,
      until: Number.isFinite(revocation.until) ? new Date(revocation.until).toISOString() : null,
    };
  });
}

async function readWanted(body: RevokeBody, entityId: string, context: HttpContext): Promise<Wanted> {
  const { token, jti, user_id, api_key, reason } = body;
  const given = Object.entries({ token, jti, user_id, api_key }).filter(([, value]) => value !== undefined);
  if (given.length !== 1) {
    throw new MillraceError('bad-message', 'give exactly one of token, jti, user_id and api_key');
  }
  if (jti !== undefined) return { by: 'jti', name: jti, thing: { kind: 'jti', jti } };
  if (api_key !== undefined) return { by: 'api_key', name: api_key, thing: { kind: 'key', keyId: api_key } };
  if (user_id !== undefined) {
    const issuedBy = context.doorway.sessions.clock.now();
    return { by: 'user_id', name: user_id, thing: { kind: 'user', userId: user_id, issuedBy } };
  }
  if (token === undefined) throw new Error('one was given');
  if (reason?.includes(token)) {
    throw new MillraceError('bad-message', '"/reason" holds the token, which must not be written down');
  }
  return wantedByToken(token, entityId, context);
}

async function wantedByToken(token: string, entityId: string, context: HttpContext): Promise<Wanted> {
  const fingerprint = fingerprintOf(token);
  const known = { by: 'token', name: fingerprint, thing: { kind: 'token', fingerprint } } as const;
  let identity: Identity;
  try {
    identity = await context.doorway.authenticator.authenticate(token);
  } catch (error) {
    const code = error instanceof MillraceError ? error.code : 'internal';
    // A backend that cannot be asked must not keep a token alive; and a repeat is as good as the first.
    if (code === 'unavailable' || code === 'internal' || context.revocations.has(entityId, known.thing))
      return known;
    throw new MillraceError('bad-message', '"/token" is not valid here: there is nothing to revoke');
  }
  if (identity.entityId !== entityId) {
    throw new MillraceError(
      'forbidden',
      'the token is of another entity; only its own administrators revoke it',
    );
  }
  const { credential, expiresAt } = identity;
  if (credential.kind === 'key') {
    return { by: 'api_key', name: credential.keyId, thing: { kind: 'key', keyId: credential.keyId } };
  }
  return Number.isFinite(expiresAt) ? { ...known, until: expiresAt } : known;
}
