import { createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { checkValue, MillraceError, parseJson } from '@millrace/protocol';
import { createAuthenticator } from '../../../packages/server/src/auth/authenticator.ts';
import { systemClock } from '../../../packages/server/src/clock.ts';
import { offeredSubprotocols, readToken } from '../../../packages/server/src/doors/credentials.ts';
import { acceptDeflate } from '../../../packages/server/src/doors/deflate-offer.ts';
import { readPublication } from '../../../packages/server/src/doors/http/publication.ts';
import { readSubscriptionQuery } from '../../../packages/server/src/doors/subscription-query.ts';
import { readRequest } from '../../../packages/server/src/doors/websocket-request.ts';
import { plainClients } from '../../../packages/server/src/plain-config.ts';
import type { FuzzTarget } from '../fuzz-target.ts';

function requestWith(headers: Record<string, string>): IncomingMessage {
  // The readers look at the headers alone.
  return { headers } as unknown as IncomingMessage;
}

const SECRET = 'a secret of thirty-two bytes or more';

const OPENING_BRACE = 0x7b;
const API_KEY = 'a-key-of-thirty-two-characters-or-more';

function sign(body: string | Buffer, header: object = { alg: 'HS256', typ: 'JWT' }): string {
  const parts = [JSON.stringify(header), body].map((part) => Buffer.from(part).toString('base64url'));
  const signature = createHmac('sha256', SECRET).update(parts.join('.')).digest('base64url');
  return `${parts.join('.')}.${signature}`;
}

function signed(claims: object, header?: object): string {
  return sign(JSON.stringify(claims), header);
}

const NOW_MS = Date.UTC(2026, 0, 1);
/** Of a token that is valid: in seconds, as claims have it. */
const EXP = NOW_MS / 1000 + 600;
const CLAIMS: readonly object[] = [
  { sub: 'u', exp: EXP, roles: ['member'], entity: 'e', topics: { subscribe: ['a.*'], publish: [] } },
  { user_id: 7, exp: EXP, entityId: 'x' },
  { sub: 'u', exp: 1 },
  { sub: '', exp: EXP, roles: 'admin' },
];
const TOKENS = [
  ...CLAIMS.map((claims) => signed(claims)),
  signed({ sub: 'u', exp: EXP }, { alg: 'none' }),
  signed({ sub: 'u' }, { alg: 'ES256', kid: 'a' }),
  API_KEY,
];

export const tokens: FuzzTarget = {
  name: 'tokens',
  // Claims by themselves are signed, so that more than the signature is tried.
  seeds: [...TOKENS, JSON.stringify(CLAIMS[0]), JSON.stringify(CLAIMS[1])],
  shape: 'json',
  words: ['.', '..', 'eyJ', '=', 'e30', 'bnVsbA', 'W10', 'eyJhbGciOiJIUzI1NiJ9'],
  create: (random) => {
    const authenticator = createAuthenticator({
      keys: [{ alg: 'HS256', secret: SECRET }],
      apiKeys: [{ id: 'backend', key: API_KEY, roles: ['publisher'] }],
      clock: { ...systemClock, now: () => NOW_MS },
    });
    return async (input) => {
      // A signature costs more than all the rest.
      const isClaims = input[0] === OPENING_BRACE && random() < 0.1;
      await authenticator.authenticate(isClaims ? sign(input) : input.toString('latin1'));
      return true;
    };
  },
};

export const credentials: FuzzTarget = {
  name: 'credentials and offers',
  seeds: [
    'Bearer abc.def.ghi',
    'millrace.v1.json, bearer.abc',
    'permessage-deflate; client_max_window_bits; server_max_window_bits=10',
    'permessage-deflate; server_no_context_takeover, permessage-deflate',
    'x-webkit-deflate-frame, a; b="c\\"d"; e',
  ],
  words: [';', ',', '=', '"', 'permessage-deflate', 'server_max_window_bits', 'bearer.', ' ', '\t'],
  create: () => (input) => {
    const text = input.toString('latin1');
    const query = new URLSearchParams({ token: text });
    for (const name of ['authorization', 'sec-websocket-protocol'])
      readToken(requestWith({ [name]: text }), query);
    offeredSubprotocols(requestWith({ 'sec-websocket-protocol': text }));
    return acceptDeflate(text) !== undefined;
  },
};

const PLAIN = plainClients({
  plain: { aliases: { own: 'task.*' }, paths: { '/ws/own/path': { topics: ['alerts', 'agents'] } } },
});

export const paths: FuzzTarget = {
  name: 'paths and queries',
  seeds: [
    '/ws/metrics/consciousness?since=dk3f9-1:17',
    '/ws/a%2eb/c?filter=%7B%22types%22%3A%5B%22a%22%5D%7D&slow=conflate',
    '/ws/agents/status?last=10',
    '/ws/user/a?consumer=phone&time=2026-01-01T00:00:00Z',
    '/ws?token=abc',
    '/ws/consciousness?last=10',
    '/ws/own?since=dk3f9-1:17',
    '/ws/own/path?since=d1-x-2.0',
    '/',
  ],
  words: ['%', '%2', '%ff', '%00', '?', '&', '=', '/..', '//', '\\', '#', 'since=', 'filter={', 'last='],
  create: () => (input) => {
    const url = `/ws${input.toString('latin1').replace(/^\/(ws)?/, '/')}`;
    readRequest(new URL(url, 'http://millrace'), [], PLAIN);
    return true;
  },
};

export const lastEventIds: FuzzTarget = {
  name: 'event ids',
  seeds: ['lk3f9.ya~d8sq2.4dq', 'dk3f9-1:17', 'earliest', 'd1-x-2.0'],
  words: ['~', '.', ':', ',', 'é'],
  create: () => (input) => {
    readSubscriptionQuery(new URLSearchParams(), { lastEventId: input.toString('latin1') });
    return true;
  },
};

const EVENT = {
  topic: 'task.a',
  event: 'task.progress',
  data: { a: 1 },
  key: 'k',
  priority: 'low',
  seal: false,
};
const CLOUD = {
  specversion: '1.0',
  type: 'order.placed',
  source: '/shop',
  id: '1',
  subject: 's',
  time: '2026-01-01T00:00:00Z',
  datacontenttype: 'application/json',
  topic: 'orders.new',
  data: { amount: 3 },
};
const CONTENT_TYPES = [
  'application/json',
  'application/cloudevents+json; charset=utf-8',
  'application/cloudevents-batch+json',
];

export const bodies: FuzzTarget = {
  name: 'event bodies',
  seeds: [EVENT, { events: [EVENT, EVENT] }, CLOUD, [CLOUD, CLOUD], { ...CLOUD, data_base64: 'AAAA' }].map(
    (body) => JSON.stringify(body),
  ),
  words: ['"specversion":"1.0"', '"events":[', '"data_base64":"', '__proto__', '"topic":', '['.repeat(100)],
  shape: 'json',
  create: (random) => (input) => {
    const body = parseJson(input.toString('utf8'));
    const binary = random() < 0.2;
    const text = input.toString('latin1').slice(0, 60);
    const headers = binary
      ? { 'ce-specversion': '1.0', 'ce-type': text, 'ce-source': '%C3%A9', 'ce-id': '1', 'ce-topic': 'a.b' }
      : { 'content-type': CONTENT_TYPES[Math.floor(random() * CONTENT_TYPES.length)] };
    const { inputs } = readPublication({ headers, body, topic: undefined, maxJsonDepth: 32 });
    const readable = inputs.filter((each) => !(each instanceof MillraceError));
    for (const { data } of readable as { data: string }[]) checkValue(JSON.parse(data), 32, '');
    return readable.length > 0;
  },
};
