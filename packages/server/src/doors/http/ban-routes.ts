import { MillraceError } from '@millrace/protocol';
import Type from 'typebox';
import type { Identity } from '../../auth/identity.ts';
import type { Ban } from '../../session/bans.ts';
import { actorOf, administratorOf, type Guard } from './authentication.ts';
import type { HttpContext, HttpRouter } from './http-context.ts';
import { emptyAnswer, guardedAnswers, SECURED } from './route-docs.ts';
import { type BanBody, sharedShape } from './wire-shapes.ts';

const BanParams = Type.Object({ id: Type.String({ description: 'The ban’s `id`.' }) });

const ListSchema = {
  ...SECURED,
  operationId: 'listBans',
  tags: ['Connections'],
  summary: 'List bans',
  description: [
    'Who may not come in for a while at this node, for breaking limits: users of the token’s entity and, for the node’s',
    'operator (an `admin` of the entity `default`), addresses. Needs the role `admin`.',
  ].join('\n'),
  response: {
    200: Type.Object({ bans: Type.Array(sharedShape<BanBody>('Ban')) }, { description: 'All of them.' }),
    ...guardedAnswers('forbidden'),
  },
} as const;

const LiftSchema = {
  ...SECURED,
  operationId: 'liftBan',
  tags: ['Connections'],
  summary: 'Lift a ban',
  description: 'The user or address may come in again at once. Needs the role `admin`.',
  params: BanParams,
  response: { 204: emptyAnswer('The ban is over.'), ...guardedAnswers('forbidden', 'not-found') },
} as const;

export function addBanRoutes(
  router: HttpRouter,
  guard: Guard,
  { doorway, audit, operatorEntity }: HttpContext,
): void {
  const { bans } = doorway;
  const bansSeenBy = ({ entityId }: Identity): Ban[] =>
    bans
      .list()
      .filter(({ offender }) =>
        offender.kind === 'user' ? offender.entityId === entityId : entityId === operatorEntity,
      );

  router.get('/api/v1/bans', { ...guard, schema: ListSchema }, async (request) => ({
    bans: bansSeenBy(administratorOf(request)).map(toBody),
  }));

  router.delete('/api/v1/bans/:id', { ...guard, schema: LiftSchema }, async (request, reply) => {
    const { id } = request.params;
    const ban = bansSeenBy(administratorOf(request)).find((each) => each.id === id);
    const { kind = '', ...offender } = ban?.offender ?? {};
    await audit.run(actorOf(request), { action: 'lift-ban', target: { banId: id, ...offender } }, () => {
      if (ban !== undefined && bans.lift(id)) return;
      throw new MillraceError('not-found', `there is no ban ${JSON.stringify(id)} at this node`);
    });
    return reply.code(204).send();
  });
}

function toBody({ id, offender, reason, bannedAt, expiresAt }: Ban): BanBody {
  return {
    id,
    ...offender,
    reason,
    bannedAt: new Date(bannedAt).toISOString(),
    expiresAt: new Date(expiresAt).toISOString(),
  };
}
