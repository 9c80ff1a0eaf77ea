import type { createServer } from '@millrace/server';
import type { createClient } from '../src/client.ts';

/** What the tests use of a release: the same in both, since within version 1 nothing is changed or removed. */
export interface Release {
  readonly createClient: typeof createClient;
  readonly createServer: typeof createServer;
}

const FOLDER = new URL('../../testkit/previous/', import.meta.url);

/** The release before this one, packed: see `packages/testkit/previous/README.md`. */
export async function loadPreviousRelease(): Promise<Release> {
  const load = (file: string): Promise<object> => import(/* @vite-ignore */ new URL(file, FOLDER).href);
  const [client, server] = await Promise.all([load('client/index.js'), load('server/index.js')]);
  // Bundles have no types of their own.
  return { ...server, ...client } as Release;
}
