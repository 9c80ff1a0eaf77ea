import { formatPosition, MillraceError, parsePosition } from '@millrace/protocol';
import Type from 'typebox';
import type { ReadFrom, StoredEvent } from '../../engine/engine.ts';
import { isoTime } from '../event-json.ts';
import { administratorOf, type Guard } from './authentication.ts';
import { cannotRecover } from './history-routes.ts';
import type { HttpContext, HttpRouter } from './http-context.ts';
import { JSON_TYPE } from './json-body.ts';
import { guardedAnswers, SECURED } from './route-docs.ts';

const MAX_ENTRIES = 1000;
const DEFAULT_ENTRIES = 100;

const AuditQuery = Type.Object({
  after: Type.Optional(Type.String({ description: 'After this position: the page before had it.' })),
  last: Type.Optional(
    Type.Integer({ minimum: 1, maximum: MAX_ENTRIES, description: 'The newest n entries, oldest first.' }),
  ),
  from: Type.Optional(
    Type.String({ description: 'At or after this time, ISO 8601.', examples: ['2026-11-20T12:00:00Z'] }),
  ),
  limit: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: MAX_ENTRIES,
      description: `Most entries in the answer; ${DEFAULT_ENTRIES} when missing.`,
    }),
  ),
});
type AuditQuery = Type.Static<typeof AuditQuery>;

const AuditAnswer = Type.Object(
  {
    entries: Type.Array(
      Type.Object({
        id: Type.String(),
        timestamp: Type.String({ description: 'When it had been done, ISO 8601.' }),
        action: Type.String({ examples: ['disconnect'] }),
        userId: Type.String({ description: 'Who did it.' }),
        roles: Type.Array(Type.String()),
        address: Type.String({ description: 'Where the request came from.' }),
        target: Type.Record(Type.String(), Type.String(), { description: 'To what.' }),
        outcome: Type.String({ description: '`done`, or the code of the error that it ended with.' }),
      }),
      { description: 'Oldest first.' },
    ),
    position: Type.String({ description: 'After the last of `entries`: read on with `after`.' }),
    behind: Type.Integer({ minimum: 0, description: 'How many entries follow this page; 0 at the end.' }),
  },
  { description: 'One page.' },
);

const AuditSchema = {
  ...SECURED,
  operationId: 'readAudit',
  tags: ['Administration'],
  summary: 'Read the audit',
  description: [
    'What administrators and publishers of the token’s entity have done: who, from where, what, to what, when, and with',
    'what outcome. At most one of `after`, `last` and `from` says where the page begins; without any it begins with the',
    'oldest entry kept. Needs the role `admin`.',
  ].join('\n'),
  querystring: AuditQuery,
  response: {
    // Written as text: an entry is stored as JSON.
    200: Type.Unsafe<string>(AuditAnswer),
    ...guardedAnswers('bad-message', 'bad-position', 'forbidden', 'expired', 'epoch', 'unavailable'),
  },
} as const;

export function addAuditRoutes(router: HttpRouter, guard: Guard, { audit }: HttpContext): void {
  router.get('/api/v1/audit', { ...guard, schema: AuditSchema }, async (request, reply) => {
    const { entityId } = administratorOf(request);
    const { limit, last = DEFAULT_ENTRIES } = request.query;
    const page = await audit.read(entityId, readFrom(request.query), { maxEvents: limit ?? last });
    if (!page.ok) throw cannotRecover(page.reason, { position: formatPosition(page.head) });
    const rest = { position: formatPosition(page.position), behind: page.behind };
    return reply
      .type(JSON_TYPE)
      .send(`{"entries":[${page.events.map(entryJson).join(',')}],${JSON.stringify(rest).slice(1)}`);
  });
}

/** The entry is stored as the JSON text of an object that is never empty. */
function entryJson({ id, timestamp, data }: StoredEvent): string {
  return `{"id":${JSON.stringify(id)},"timestamp":"${isoTime(timestamp)}",${data.slice(1)}`;
}

function readFrom({ after, last, from }: AuditQuery): ReadFrom {
  if ([after, last, from].filter((each) => each !== undefined).length > 1) {
    throw new MillraceError('bad-message', 'query: give only one of after, last and from');
  }
  if (last !== undefined) return { last };
  if (after !== undefined) {
    const position = parsePosition(after);
    if (position !== undefined) return { after: position };
    throw new MillraceError('bad-position', 'query: "after" is not a position "epoch:offset"');
  }
  if (from === undefined) return { earliest: true };
  const time = Date.parse(from);
  if (!Number.isNaN(time)) return { time };
  throw new MillraceError('bad-position', 'query: "from" is not an ISO 8601 time');
}
