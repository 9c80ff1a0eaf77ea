import type { FastifyRequest } from 'fastify';
import type { ClientCounters } from '../../session/client-counters.ts';
import { clientAddress } from '../client-address.ts';
import type { HttpLogger, HttpRouter } from './http-context.ts';

/** Asked every few seconds by whoever watches the server: not worth a line. */
const PROBES: ReadonlySet<string> = new Set(['/livez', '/readyz', '/healthz', '/metrics']);

/** The URL as it may be written down: without a token, in whatever way its name was spelled. */
function loggableUrl(url: string, query: Readonly<Record<string, unknown>>): string {
  const [path = '/'] = url.split('?', 1);
  const shown = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    shown.set(name, name === 'token' ? '[redacted]' : String(value));
  }
  return shown.size === 0 ? path : `${path}?${shown}`;
}

/** Writes a line for each request that was answered: failures of ours as warnings, refusals as information. */
export function logRequests(router: HttpRouter, logger: HttpLogger, trustedProxies: number): void {
  router.addHook('onResponse', async (request: FastifyRequest, reply) => {
    if (PROBES.has(request.routeOptions.url ?? '')) return;
    const level = reply.statusCode >= 500 ? 'warn' : reply.statusCode >= 400 ? 'info' : 'debug';
    logger[level](
      {
        method: request.method,
        url: loggableUrl(request.url, request.query as Record<string, unknown>),
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
        address: clientAddress(request.raw, trustedProxies),
      },
      'request',
    );
  });
}

export function countAnswers(router: HttpRouter, { httpAnswers }: ClientCounters): void {
  router.addHook('onResponse', async (_request, reply) => httpAnswers.add(String(reply.statusCode)));
}
