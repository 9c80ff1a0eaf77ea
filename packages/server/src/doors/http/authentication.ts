import { MillraceError } from '@millrace/protocol';
import type { FastifyRequest } from 'fastify';
import type { Identity } from '../../auth/identity.ts';
import type { Actor } from '../../services/audit.ts';
import { clientAddress } from '../client-address.ts';
import { readBearer, tokenRequestOf } from '../credentials.ts';
import { assertOpen, type Doorway, identify } from '../doorway.ts';
import type { HttpContext, HttpRouter } from './http-context.ts';
import { checkOrigin } from './response-headers.ts';

/** The hook that lets a request in. */
export interface Guard {
  readonly onRequest: (request: FastifyRequest) => Promise<void>;
}

/**
 * Makes the guard of routes that need a token: `Authorization: Bearer`, or `?token=`. A route that forgets it is not
 * open: {@link identityOf} refuses.
 */
export function createGuard(router: HttpRouter, { doorway }: HttpContext): Guard {
  router.decorateRequest('identity', null);
  router.decorateRequest('address', '');
  return {
    onRequest: async (request) => {
      const address = clientAddress(request.raw, doorway.trustedProxies);
      request.setDecorator<string>('address', address);
      request.setDecorator<Identity>('identity', await authenticate(doorway, request, address));
    },
  };
}

async function authenticate(doorway: Doorway, request: FastifyRequest, address: string): Promise<Identity> {
  assertOpen(doorway);
  checkOrigin(doorway.allowsOrigin, request.headers.origin, request.headers.host);
  const { token: fromQuery } = request.query as { readonly token?: string };
  const token = readBearer(request.raw) ?? fromQuery;
  if (token === undefined) {
    throw new MillraceError(
      'unauthorized',
      'send a token: the header "Authorization: Bearer <token>", or ?token=',
    );
  }
  const identity = await identify(doorway, token, tokenRequestOf(request.raw, address));
  doorway.requestRates.take(identity);
  return identity;
}

/** Who sent the request. */
export function identityOf(request: FastifyRequest): Identity {
  const identity = request.getDecorator<Identity | null>('identity');
  if (identity === null) throw new MillraceError('unauthorized', 'this needs a token');
  return identity;
}

/** Who sent the request, as the audit has it. */
export function actorOf(request: FastifyRequest): Actor {
  return { identity: identityOf(request), address: request.getDecorator<string>('address') };
}

/** Who sent the request, when that is an administrator. Throws a `MillraceError` (`forbidden`) otherwise. */
export function administratorOf(request: FastifyRequest): Identity {
  const identity = identityOf(request);
  if (identity.permissions.mayAdminister) return identity;
  throw new MillraceError('forbidden', 'this needs a token with the role "admin"');
}

/** Who sent the request, when they may broadcast. Throws a `MillraceError` (`forbidden`) otherwise. */
export function broadcasterOf(request: FastifyRequest): Identity {
  const identity = identityOf(request);
  if (identity.permissions.mayBroadcast) return identity;
  throw new MillraceError('forbidden', 'this needs a token with the role "publisher" or "admin"');
}
