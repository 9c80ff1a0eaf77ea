import type { Role } from '@millrace/protocol';
import type { Config } from '@millrace/server/config';
import { readConfig } from './config-file.ts';
import type { Target } from './connection.ts';
import { findLocalKey, signLocalToken } from './local-token.ts';
import { say } from './status.ts';

const LOCAL_TOKEN_TTL_MS = 3_600_000;

export interface LocalTargetOptions {
  /** Where the server is; as the configuration says when missing. */
  readonly url: string | undefined;
  readonly token: string | undefined;
  readonly config: string | undefined;
  /** What a token of the server's own key may do, and for whom it is. */
  readonly role: Role;
  readonly userId: string;
}

/** Where a server with this configuration listens, seen from this machine. */
function localUrl({ server: { host, port }, tls }: Config): string {
  const everywhere = ['0.0.0.0', '::', '127.0.0.1', '::1'].includes(host);
  const name = everywhere ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return `${tls.cert === undefined ? 'http' : 'https'}://${name}:${port}`;
}

/** A server on this machine, as its configuration says. */
export async function findLocalTarget(options: LocalTargetOptions): Promise<Target> {
  const { token, role, userId } = options;
  const config = await readConfig({ file: options.config });
  const url = options.url ?? localUrl(config);
  const key = token === undefined ? findLocalKey(config) : undefined;
  if (key === undefined) return { url, token };
  say(`no token given: using one for the role ${role}, signed with ${key}`);
  const claims = { userId, roles: [role], ttlMs: LOCAL_TOKEN_TTL_MS };
  return { url, token: () => signLocalToken(config, claims) };
}
