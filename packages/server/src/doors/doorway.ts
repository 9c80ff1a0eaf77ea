import type { IncomingMessage } from 'node:http';
import { MillraceError } from '@millrace/protocol';
import type { Authenticator } from '../auth/authenticator.ts';
import type { Identity } from '../auth/identity.ts';
import type { OriginCheck } from '../auth/origin-check.ts';
import type { Connections } from '../session/connections.ts';
import type { SessionHost } from '../session/session.ts';
import { readToken } from './credentials.ts';

/** What every door shares: who is let in, and what sessions are made of. */
export interface Doorway {
  readonly sessions: SessionHost;
  readonly connections: Connections;
  readonly authenticator: Authenticator;
  readonly allowsOrigin: OriginCheck;
  readonly maxBytesInFlight: number;
  readonly maxMessageBytes: number;
  readonly maxJsonDepth: number;
  /** The server is shutting down. */
  readonly draining: boolean;
}

/**
 * The identity behind a request, or `undefined` when it brings no token.
 * Rejects with a `MillraceError`: `draining`, `bad-origin`, `overloaded`, `unauthorized`, `token-expired`.
 */
export async function admit(
  doorway: Doorway,
  request: IncomingMessage,
  query: URLSearchParams,
): Promise<Identity | undefined> {
  if (doorway.draining)
    throw new MillraceError('draining', 'the server is shutting down; come back in a moment');
  const { origin, host } = request.headers;
  if (!doorway.allowsOrigin(origin, host)) {
    throw new MillraceError(
      'bad-origin',
      `the origin ${JSON.stringify(origin)} is not on the allow-list (cors.origins)`,
    );
  }
  if (!doorway.connections.admit()) {
    throw new MillraceError(
      'overloaded',
      `this node has its ${doorway.connections.max} connections; try again later`,
    );
  }
  const token = readToken(request, query);
  return token === undefined ? undefined : await doorway.authenticator.authenticate(token);
}
