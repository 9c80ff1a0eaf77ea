import type { IncomingMessage } from 'node:http';
import { MillraceError } from '@millrace/protocol';
import type { Authenticator } from '../auth/authenticator.ts';
import type { Identity } from '../auth/identity.ts';
import type { OriginCheck } from '../auth/origin-check.ts';
import type { Connections } from '../session/connections.ts';
import type { SessionHost } from '../session/session-host.ts';
import type { Compression } from './compression.ts';
import { readToken } from './credentials.ts';
import type { Traffic } from './traffic.ts';

/** How long a client may take to close its side, in ms. */
export const CLOSE_TIMEOUT_MS = 5000;

/** What every door shares: who is let in, and what sessions are made of. */
export interface Doorway {
  readonly sessions: SessionHost;
  readonly connections: Connections;
  readonly authenticator: Authenticator;
  readonly allowsOrigin: OriginCheck;
  readonly compression: Compression;
  readonly traffic: Traffic;
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
  assertOpen(doorway);
  const { origin, host } = request.headers;
  if (!doorway.allowsOrigin(origin, host)) {
    throw new MillraceError(
      'bad-origin',
      `the origin ${JSON.stringify(origin)} is not on the allow-list (cors.origins)`,
    );
  }
  assertRoom(doorway);
  const token = readToken(request, query);
  if (token === undefined) return undefined;
  const identity = await doorway.authenticator.authenticate(token);
  // Others came, or the server began to close, while the token was checked.
  assertOpen(doorway);
  assertRoom(doorway);
  return identity;
}

function assertOpen({ draining }: Doorway): void {
  if (draining) throw new MillraceError('draining', 'the server is shutting down; come back in a moment');
}

function assertRoom({ connections }: Doorway): void {
  if (connections.admit()) return;
  throw new MillraceError('overloaded', `this node has its ${connections.max} connections; try again later`);
}
