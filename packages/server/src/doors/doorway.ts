import type { IncomingMessage } from 'node:http';
import { MillraceError } from '@millrace/protocol';
import type { Authenticator } from '../auth/authenticator.ts';
import type { TokenRequest } from '../auth/custom-provider.ts';
import type { Identity } from '../auth/identity.ts';
import type { OriginCheck } from '../auth/origin-check.ts';
import type { PlainClients } from '../plain-config.ts';
import type { Arrivals } from '../session/arrivals.ts';
import type { Bans } from '../session/bans.ts';
import type { Connections } from '../session/connections.ts';
import type { RequestRates } from '../session/request-rates.ts';
import type { SessionHost } from '../session/session-host.ts';
import type { Compression } from './compression.ts';
import { readToken, tokenRequestOf } from './credentials.ts';
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
  readonly plain: PlainClients;
  readonly traffic: Traffic;
  readonly maxBytesInFlight: number;
  readonly bans: Bans;
  /** Of requests over HTTP, each of which counts as a message. */
  readonly requestRates: RequestRates;
  /** How fast an address may open connections. */
  readonly arrivals: Arrivals;
  /** How many proxies of the operator's stand in front. */
  readonly trustedProxies: number;
  /** The server listens by itself, on a loopback address, and no proxy is said to stand before it. */
  readonly onlyLocal: boolean;
  /** The server is shutting down. */
  readonly draining: boolean;
}

/**
 * The identity behind a request, or `undefined` when it brings no token.
 * Rejects with a `MillraceError`: `draining`, `bad-origin`, `overloaded`, `rate-limited`, `abuse`, `unauthorized`,
 * `token-expired`.
 */
export async function admit(
  doorway: Doorway,
  request: IncomingMessage,
  { query, address }: { query: URLSearchParams; address: string },
): Promise<Identity | undefined> {
  assertOpen(doorway);
  const { origin, host } = request.headers;
  if (!doorway.allowsOrigin(origin, host)) {
    throw new MillraceError(
      'bad-origin',
      `the origin ${JSON.stringify(origin)} is not on the allow-list (cors.origins)`,
    );
  }
  const { connections, bans, arrivals } = doorway;
  connections.assertRoom(address);
  arrivals.assertPace(address);
  const token = readToken(request, query);
  if (token === undefined) {
    const refusal = bans.refusalOfAddress(address);
    if (refusal !== undefined) throw refusal;
    connections.assertRoomForStranger();
    return undefined;
  }
  const identity = await identify(doorway, token, tokenRequestOf(request, address));
  // Others came, or the server began to close, while the token was checked.
  assertOpen(doorway);
  connections.assertRoom(address);
  connections.assertRoomFor(identity);
  return identity;
}

/**
 * Who bears a token. A valid one opens also from an address that is banned: whoever shares it with an offender, behind
 * one router or proxy, is not to suffer. Rejects with a `MillraceError`: `abuse`, `unauthorized`,
 * `token-expired`, `unavailable`.
 */
export async function identify(
  { authenticator, bans, sessions }: Doorway,
  token: string,
  from: TokenRequest,
): Promise<Identity> {
  const { address } = from;
  const identity = await authenticator.authenticate(token, from).catch((error: unknown) => {
    if (error instanceof MillraceError && error.code === 'unauthorized')
      sessions.violations.byAddress('bad-token', address);
    throw bans.refusalOfAddress(address) ?? error;
  });
  const refusal = bans.refusalOfUser(identity.entityId, identity.userId);
  if (refusal !== undefined) throw refusal;
  return identity;
}

export function assertOpen({ draining }: Pick<Doorway, 'draining'>): void {
  if (draining) throw new MillraceError('draining', 'the server is shutting down; come back in a moment');
}
