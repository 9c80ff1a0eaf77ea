import swagger from '@fastify/swagger';
import type { HttpContext, HttpRouter } from './http-context.ts';
import { SHARED_SHAPES } from './wire-shapes.ts';

const DESCRIPTION = [
  'Millrace is a real-time event server: an ordered log of events per topic, and many doors onto it. This is the HTTP',
  'door: publish, read history, administer. To receive events as they happen, use `GET /events` (server-sent events) or',
  'a WebSocket at `/ws`; `PROTOCOL.md` describes both. A position or cursor taken here resumes there, and the reverse.',
  '',
  'Every request acts within the entity (the tenant) of its token; nothing in a request can name another one.',
  '',
  'Errors are `application/problem+json` (RFC 9457) with a stable `code`. Answers 429 and 503 that are worth repeating',
  'carry `Retry-After`.',
].join('\n');

/** Sees to it that routes added from here on are described at `/openapi.json` ([HTTP-4]). */
export async function describeRoutes(router: HttpRouter, { version, publicUrl }: HttpContext): Promise<void> {
  for (const shape of SHARED_SHAPES) router.addSchema(shape);
  await router.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Millrace',
        version,
        summary: 'Publish, read and administer events over HTTP.',
        description: DESCRIPTION,
        license: { name: 'MIT', identifier: 'MIT' },
      },
      ...(publicUrl !== undefined && { servers: [{ url: publicUrl }] }),
      tags: [
        { name: 'Events', description: 'Publishing, and reading what was published.' },
        { name: 'Topics', description: 'The logs themselves.' },
        { name: 'Inboxes', description: 'Acknowledging messages, and what became of them.' },
        { name: 'Direct sends', description: 'Reaching sessions that have not subscribed.' },
        {
          name: 'Processes',
          description: 'Commands that configuration allows, and what runs under `millrace run`.',
        },
        { name: 'Language models', description: 'Answers of language models, published as they are given.' },
        { name: 'Alerts', description: 'What the rules have found, and that somebody has seen it.' },
        { name: 'Connections', description: 'Who is connected to this node.' },
        { name: 'Language models', description: 'Answers of a model, which the server asks for.' },
        { name: 'Alerts', description: 'Incidents that rules have found.' },
        {
          name: 'Administration',
          description: 'Revoking tokens, and the record of what administrators did.',
        },
        { name: 'Operations', description: 'Health and figures.' },
        { name: 'Analytics', description: 'What figures add up to, for administrators.' },
      ],
      components: {
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'JWT',
            description: 'A JWT or an API key: `Authorization: Bearer <token>`.',
          },
          token: {
            type: 'apiKey',
            in: 'query',
            name: 'token',
            description:
              'The same, for clients that cannot send headers. It ends up in proxies’ logs: prefer the header.',
          },
        },
      },
    },
    refResolver: {
      buildLocalReference: (json, _baseUri, _fragment, i) =>
        typeof json.$id === 'string' ? json.$id : `shape-${i}`,
    },
  });
}
