import { MillraceError } from '@millrace/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { OriginCheck } from '../../auth/origin-check.ts';
import type { HttpRouter } from './http-context.ts';

/** For answers that are no pages: nothing in them may be loaded or run, wherever they are shown. */
const CLOSED_POLICY = "default-src 'none'; frame-ancestors 'none'";

const PREFLIGHT_MAX_AGE_SECONDS = '600';

/** What every answer carries. Routes with pages of their own replace `Content-Security-Policy` and `Cache-Control`. */
export function setCommonHeaders(
  request: FastifyRequest,
  reply: FastifyReply,
  allowsOrigin: OriginCheck,
): void {
  reply.headers({
    'Cache-Control': 'no-store',
    'Content-Security-Policy': CLOSED_POLICY,
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
  });
  const { origin, host } = request.headers;
  if (origin === undefined) return;
  reply.header('Vary', 'Origin');
  if (!allowsOrigin(origin, host)) return;
  reply.headers({
    'Access-Control-Allow-Origin': origin,
    'Access-Control-Allow-Credentials': 'true',
    'Access-Control-Expose-Headers': 'Retry-After, WWW-Authenticate, Allow',
  });
}

/** Sets the headers of every answer, and answers the questions that browsers ask before they send a request. */
export function answerOrigins(router: HttpRouter, allowsOrigin: OriginCheck): void {
  router.addHook('onRequest', async (request, reply) => {
    setCommonHeaders(request, reply, allowsOrigin);
    const { origin, host } = request.headers;
    const isPreflight =
      request.method === 'OPTIONS' &&
      origin !== undefined &&
      request.headers['access-control-request-method'] !== undefined;
    if (!isPreflight) return undefined;
    checkOrigin(allowsOrigin, origin, host);
    return reply
      .headers({
        'Access-Control-Allow-Methods': 'GET, HEAD, POST, DELETE',
        'Access-Control-Allow-Headers':
          request.headers['access-control-request-headers'] ?? 'Authorization, Content-Type',
        'Access-Control-Max-Age': PREFLIGHT_MAX_AGE_SECONDS,
      })
      .code(204)
      .send();
  });
}

/** Throws a `MillraceError` (`bad-origin`). */
export function checkOrigin(
  allowsOrigin: OriginCheck,
  origin: string | undefined,
  host: string | undefined,
): void {
  if (allowsOrigin(origin, host)) return;
  throw new MillraceError(
    'bad-origin',
    `the origin ${JSON.stringify(origin)} is not on the allow-list (cors.origins)`,
  );
}
