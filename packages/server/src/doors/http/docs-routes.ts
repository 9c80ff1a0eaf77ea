import { type ApiDocument, renderDocs } from './docs-page.ts';
import type { HtmlPage } from './html-page.ts';
import type { HttpRouter } from './http-context.ts';

/** `GET /openapi.json` ([HTTP-4]) and the same as a page. Both are made when first asked for. */
export function addDocsRoutes(router: HttpRouter): void {
  let json: string | undefined;
  let page: HtmlPage | undefined;

  router.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) => {
    json ??= JSON.stringify(router.swagger());
    return reply.type('application/json').header('Cache-Control', 'no-cache').send(json);
  });

  router.get('/docs', { schema: { hide: true } }, async (_request, reply) => {
    // Our own routes, whose schemas have every field that the page shows.
    page ??= renderDocs(router.swagger() as unknown as ApiDocument);
    return reply
      .type('text/html; charset=utf-8')
      .headers({ 'Cache-Control': 'no-cache', 'Content-Security-Policy': page.policy })
      .send(page.html);
  });
}
