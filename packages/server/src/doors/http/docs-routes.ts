import { asyncApiDocument, type ServerAddress } from '@millrace/catalog/async-api';
import type { FastifyReply } from 'fastify';
import { type ApiDocument, renderDocs } from './docs-page.ts';
import { renderEvents } from './events-page.ts';
import type { HtmlPage } from './html-page.ts';
import type { HttpContext, HttpRouter } from './http-context.ts';

const hidden = { schema: { hide: true } } as const;

/** Makes a value when it is first asked for. */
function once<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** `GET /openapi.json` and `GET /asyncapi.json` ([HTTP-4]), and both as pages. */
export function addDocsRoutes(router: HttpRouter, { families, version, publicUrl }: HttpContext): void {
  const asyncApi = once(() => asyncApiDocument(families, { version, address: addressOf(publicUrl) }));
  const openApiText = once(() => JSON.stringify(router.swagger()));
  const asyncApiText = once(() => JSON.stringify(asyncApi()));
  // Our own routes, whose schemas have every field that the page shows.
  const docsPage = once(() => renderDocs(router.swagger() as unknown as ApiDocument));
  const eventsPage = once(() => renderEvents(asyncApi()));

  router.get('/openapi.json', hidden, async (_request, reply) => sendJson(reply, openApiText()));
  router.get('/asyncapi.json', hidden, async (_request, reply) => sendJson(reply, asyncApiText()));
  router.get('/docs', hidden, async (_request, reply) => sendPage(reply, docsPage()));
  router.get('/docs/events', hidden, async (_request, reply) => sendPage(reply, eventsPage()));
}

function addressOf(publicUrl: string | undefined): ServerAddress | undefined {
  if (publicUrl === undefined) return undefined;
  const { host, pathname, protocol } = new URL(publicUrl);
  return { host, prefix: pathname.replace(/\/+$/, ''), secure: protocol === 'https:' };
}

function sendJson(reply: FastifyReply, json: string): FastifyReply {
  return reply.type('application/json').header('Cache-Control', 'no-cache').send(json);
}

function sendPage(reply: FastifyReply, { html, policy }: HtmlPage): FastifyReply {
  return reply
    .type('text/html; charset=utf-8')
    .headers({ 'Cache-Control': 'no-cache', 'Content-Security-Policy': policy })
    .send(html);
}
