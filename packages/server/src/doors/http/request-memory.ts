import { Readable } from 'node:stream';
import { MillraceError } from '@millrace/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Identity } from '../../auth/identity.ts';
import type { HttpRouter } from './http-context.ts';

/** Bytes that may be held at once. */
export interface RequestMemoryBounds {
  readonly max: number;
  readonly maxPerUser: number;
}

/** Bytes in memory because of requests that are not over: bodies that come slowly, answers that nobody reads. */
export class RequestMemory {
  readonly #bounds: RequestMemoryBounds;
  readonly #perUser: Map<string, number> = new Map();
  #held = 0;

  constructor(bounds: RequestMemoryBounds) {
    this.#bounds = bounds;
  }

  /**
   * Throws a `MillraceError` (`overloaded`) when there is no room. What comes alone always finds room: bodies and answers
   * have bounds of their own.
   */
  assertRoom(user: Identity, bytes: number): void {
    const own = this.#perUser.get(keyOf(user)) ?? 0;
    const { max, maxPerUser } = this.#bounds;
    if ((own > 0 && own + bytes > maxPerUser) || (this.#held > 0 && this.#held + bytes > max)) {
      throw new MillraceError(
        'overloaded',
        'too many bytes of requests and answers are under way; try again later',
      );
    }
  }

  take(user: Identity, bytes: number): void {
    const key = keyOf(user);
    this.#held += bytes;
    this.#perUser.set(key, (this.#perUser.get(key) ?? 0) + bytes);
  }

  release(user: Identity, bytes: number): void {
    const key = keyOf(user);
    const left = (this.#perUser.get(key) ?? 0) - bytes;
    this.#held -= bytes;
    if (left > 0) this.#perUser.set(key, left);
    else this.#perUser.delete(key);
  }
}

// Ids have no control characters.
function keyOf({ entityId, userId }: Identity): string {
  return `${entityId}\n${userId}`;
}

/** Bounds what requests hold until they are over ([LIM-12]). Those of strangers get no further than their head. */
export function boundRequestMemory(
  router: HttpRouter,
  { memory, maxBodyBytes }: { memory: RequestMemory; maxBodyBytes: number },
): void {
  const hold = (
    request: FastifyRequest,
    { raw }: FastifyReply,
    { bytes, refusable }: { bytes: number; refusable: boolean },
  ): void => {
    const user = request.getDecorator<Identity | null>('identity');
    if (user === null || bytes === 0 || raw.closed) return;
    if (refusable) memory.assertRoom(user, bytes);
    memory.take(user, bytes);
    raw.once('close', () => memory.release(user, bytes));
  };

  router.addHook('preParsing', async (request, reply, body) => {
    const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
    if (encoding !== undefined) {
      const held = heldAsItComes(body, (bytes) => hold(request, reply, { bytes, refusable: true }));
      return Readable.from(held, { objectMode: false });
    }
    // One that is too long is refused by its header.
    if (Number(length) <= maxBodyBytes) hold(request, reply, { bytes: Number(length), refusable: true });
    return body;
  });

  router.addHook('onSend', async (request, reply, payload) => {
    if (typeof payload !== 'string' && !Buffer.isBuffer(payload)) return payload;
    // What was done must not be answered as if it had not been; nor is a refusal refused.
    const refusable = request.method === 'GET' && reply.statusCode < 400;
    hold(request, reply, { bytes: Buffer.byteLength(payload), refusable });
    return payload;
  });
}

async function* heldAsItComes(
  body: AsyncIterable<Buffer>,
  hold: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  for await (const chunk of body) {
    hold(chunk.length);
    yield chunk;
  }
}
