import { MillraceError } from '@millrace/protocol';
import type { AnyCatalog, Client, ClientOptions } from './types.ts';

/**
 * Makes a client, which begins to connect at once and keeps itself connected until it is closed.
 *
 * ```ts
 * const client = createClient({ url: 'http://localhost:3001', token });
 * await client.publish('task.build-7', 'task.progress', { progress: 40 });
 * ```
 */
export function createClient<Catalog extends object = AnyCatalog>(options: ClientOptions): Client<Catalog> {
  throw new MillraceError(
    'not-supported',
    `the client for ${options.url} is being written; the types are final`,
  );
}
