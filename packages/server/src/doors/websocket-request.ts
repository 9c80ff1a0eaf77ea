import {
  BEARER_SUBPROTOCOL_PREFIX,
  findTopicProblem,
  hasWildcard,
  MillraceError,
  SUBPROTOCOLS,
} from '@millrace/protocol';
import type { PlainClients } from '../plain-config.ts';
import { bareDialect, type FormatDialect, jsonDialect, msgpackDialect } from './dialects.ts';
import { readSubscriptionQuery, type SubscriptionQuery } from './subscription-query.ts';

/** What the URL of an upgrade, and the subprotocols it offers, ask for. */
export interface WebSocketRequest {
  readonly door: 'websocket' | 'bare';
  readonly dialect: FormatDialect;
  readonly protocol: string;
  /** Topics and patterns that are subscribed to at once. */
  readonly topics: readonly string[];
  /** What the query says of those; `undefined` when there are none. */
  readonly query: SubscriptionQuery | undefined;
}

export function selectProtocol(offered: ReadonlySet<string>): string | false {
  for (const name of Object.values(SUBPROTOCOLS)) if (offered.has(name)) return name;
  return false;
}

/** Whether a path (without query) is a WebSocket door. */
export function isWebSocketPath(path: string, { paths }: PlainClients): boolean {
  return path === '/ws' || path.startsWith('/ws/') || path === '/' || paths.has(path);
}

/** Reads what an upgrade asks for. Throws a `MillraceError`. */
export function readRequest(url: URL, offered: readonly string[], plain: PlainClients): WebSocketRequest {
  const known = offered.filter((name) => !name.startsWith(BEARER_SUBPROTOCOL_PREFIX));
  const chosen = selectProtocol(new Set(known));
  if (known.length > 0 && !chosen) {
    throw new MillraceError(
      'bad-protocol',
      `none of the subprotocols is known; use ${Object.values(SUBPROTOCOLS).join(' or ')}`,
    );
  }
  const { pathname, searchParams } = url;
  const protocol = chosen || SUBPROTOCOLS.json;
  const native = {
    door: 'websocket',
    dialect: protocol === SUBPROTOCOLS.msgpack ? msgpackDialect : jsonDialect,
    protocol,
  } as const;
  const bare = { door: 'bare', dialect: bareDialect, protocol } as const;
  const defaults = plain.paths.get(pathname);
  if (defaults !== undefined && !chosen) {
    const door = defaults.format === 'flat' ? bare : native;
    return { ...door, ...subscribing(defaults.topics, searchParams) };
  }
  if (pathname === '/') return { ...bare, ...subscribing([], searchParams) };
  // A path of the configuration is a native one to whoever speaks our protocol.
  if (pathname === '/ws' || defaults !== undefined) return { ...native, ...subscribing([], searchParams) };
  return { ...bare, ...subscribing([topicOfPath(pathname, plain)], searchParams) };
}

/** What cannot be read refuses the upgrade, while it can still be answered. */
function subscribing(
  topics: readonly string[],
  searchParams: URLSearchParams,
): Pick<WebSocketRequest, 'topics' | 'query'> {
  if (topics.length === 0) return { topics, query: undefined };
  const query = readSubscriptionQuery(searchParams);
  if (query.start.kind === 'position' && (topics.length > 1 || topics.some(hasWildcard))) {
    throw new MillraceError(
      'bad-position',
      'a position resumes one topic; several topics and patterns are resumed by a cursor',
    );
  }
  return { topics, query };
}

function topicOfPath(path: string, { aliases }: PlainClients): string {
  const name = path.slice('/ws/'.length).split('/').map(decodeSegmentOfPath).join('.');
  const alias = aliases.get(name);
  if (alias !== undefined) return alias;
  const problem = findTopicProblem(name);
  if (problem === undefined) return name;
  throw new MillraceError('bad-topic', `the path's topic ${JSON.stringify(name)} ${problem}`);
}

function decodeSegmentOfPath(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new MillraceError(
      'bad-topic',
      `the path's segment ${JSON.stringify(segment)} is not percent-encoded UTF-8`,
    );
  }
}
