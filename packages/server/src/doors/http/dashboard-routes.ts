import send from '@fastify/send';
import { MillraceError } from '@millrace/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { htmlPage } from './html-page.ts';
import type { HttpContext, HttpRouter } from './http-context.ts';

/** The dashboard's page loads from here alone, and runs nothing that stands in a page. */
const DASHBOARD_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** A file whose name changes with its content: Vite writes a hash before the extension. */
const HASHED = /^\/assets\/.+-[\w-]{8}\.\w+$/;
const IMMUTABLE = 'public, max-age=31536000, immutable';

export function addDashboardRoutes(router: HttpRouter, { dashboardDirectory }: HttpContext): void {
  const answer = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const path = request.url.split('?', 1)[0] ?? '/';
    if (dashboardDirectory === undefined) {
      if (path === '/') return sendNotice(reply);
      throw noSuchRoute(request, path);
    }
    const file = await send(request.raw, path, {
      root: dashboardDirectory,
      dotfiles: 'ignore',
      cacheControl: false,
    });
    if (file.type !== 'file') {
      file.stream.destroy();
      if (path === '/') return sendNotice(reply);
      throw noSuchRoute(request, path);
    }
    return reply
      .code(file.statusCode)
      .headers(file.headers)
      .header('Cache-Control', HASHED.test(path) ? IMMUTABLE : 'no-cache')
      .header('Content-Security-Policy', DASHBOARD_POLICY)
      .send(file.stream);
  };
  router.get('/', { schema: { hide: true } }, answer);
  router.get('/*', { schema: { hide: true } }, answer);
}

function noSuchRoute({ method }: FastifyRequest, path: string): MillraceError {
  return new MillraceError('not-found', `there is no route ${method} ${path}; see /docs`);
}

function sendNotice(reply: FastifyReply): FastifyReply {
  const page = htmlPage({
    title: 'Millrace',
    body: `<main class="notice"><h1>Millrace is running</h1>
<p>Its dashboard has not been built. In the project’s folder, run</p>
<pre><code>npm run build --workspace @millrace/dashboard</code></pre>
<p>and load this page again. The HTTP API is described at <a href="docs">/docs</a>.</p></main>`,
  });
  return reply
    .header('Content-Security-Policy', page.policy)
    .type('text/html; charset=utf-8')
    .send(page.html);
}
