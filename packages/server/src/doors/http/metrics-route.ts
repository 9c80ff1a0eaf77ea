import { BlockList, isIPv6 } from 'node:net';
import { MillraceError } from '@millrace/protocol';
import type { FastifyRequest } from 'fastify';
import Type from 'typebox';
import { type Guard, identityOf } from './authentication.ts';
import type { HttpContext, HttpRouter } from './http-context.ts';
import { guardedAnswers, SECURED } from './route-docs.ts';

const MetricsSchema = {
  security: [...SECURED.security, {}],
  operationId: 'metrics',
  tags: ['Operations'],
  summary: 'Figures for Prometheus',
  description: [
    'The whole node’s figures in Prometheus’ text format. For the operator’s token; without a token for a program on the same',
    'machine, when the server listens on loopback alone; or for anybody, when `metrics.public` says so.',
    'No figure names a user, an entity or a topic.',
  ].join('\n'),
  response: {
    200: {
      description: 'The figures.',
      content: { 'text/plain': { schema: Type.String() } },
    },
    ...guardedAnswers('forbidden'),
  },
} as const;

export function addMetricsRoute(router: HttpRouter, guard: Guard, context: HttpContext): void {
  const { exposition, doorway, operatorEntity } = context;
  if (exposition === undefined) return;

  const admit = async (request: FastifyRequest): Promise<void> => {
    if (exposition.isPublic || (doorway.onlyLocal && isLocal(request))) return;
    await guard.onRequest(request);
    const { permissions, entityId } = identityOf(request);
    if (permissions.mayAdminister && entityId === operatorEntity) return;
    throw new MillraceError('forbidden', `this needs a token with the role "admin" of "${operatorEntity}"`);
  };

  router.get('/metrics', { onRequest: admit, schema: MetricsSchema }, async (_request, reply) =>
    reply.type(exposition.contentType).send(await exposition.text()),
  );
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** Headers of a proxy, which would make everybody's request look as if it came from this machine. */
const FORWARDING = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip'];

/**
 * Whether a program on this machine asks by itself: not a proxy for somebody else, nor a browser that was led here by a
 * page of which the name resolves to this machine.
 */
function isLocal({ headers, socket }: FastifyRequest): boolean {
  const { remoteAddress = '' } = socket;
  if (!LOOPBACK.check(remoteAddress, isIPv6(remoteAddress) ? 'ipv6' : 'ipv4')) return false;
  if (headers.origin !== undefined || FORWARDING.some((name) => headers[name] !== undefined)) return false;
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/.test(headers.host ?? '');
}
