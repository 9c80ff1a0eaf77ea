import type { IncomingMessage } from 'node:http';
import { BEARER_SUBPROTOCOL_PREFIX } from '@millrace/protocol';
import type { TokenRequest } from '../auth/custom-provider.ts';

/** The subprotocols that a client offers, in its order. */
export function offeredSubprotocols(request: IncomingMessage): string[] {
  const header = request.headers['sec-websocket-protocol'];
  return header === undefined ? [] : header.split(',').map((name) => name.trim());
}

/** The token of an `Authorization` header; empty when the header has another shape. */
export function readBearer(request: IncomingMessage): string | undefined {
  const { authorization } = request.headers;
  return authorization === undefined ? undefined : (/^Bearer +(\S+) *$/i.exec(authorization)?.[1] ?? '');
}

/** Where a request came from, for whoever checks its token: without what may hold one. */
export function tokenRequestOf(request: IncomingMessage, address: string): TokenRequest {
  const { authorization: _, cookie: __, 'sec-websocket-protocol': ___, ...headers } = request.headers;
  return { address, headers };
}

/** The token of a request, from where [AUTH-1] says, the first found. */
export function readToken(request: IncomingMessage, query: URLSearchParams): string | undefined {
  const authorized = readBearer(request);
  if (authorized !== undefined) return authorized;
  const bearer = offeredSubprotocols(request).find((name) => name.startsWith(BEARER_SUBPROTOCOL_PREFIX));
  if (bearer !== undefined) return bearer.slice(BEARER_SUBPROTOCOL_PREFIX.length);
  return query.get('token') ?? undefined;
}
