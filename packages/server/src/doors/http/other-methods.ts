import { MillraceError } from '@millrace/protocol';
import type { HTTPMethods } from 'fastify';
import type { HttpRouter } from './http-context.ts';

const METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** Remembers the routes that are added from here on; what comes back answers the other methods of their paths. */
export function watchRoutes(router: HttpRouter): () => void {
  const methodsOf = new Map<string, Set<HTTPMethods>>();
  let watching = true;
  router.addHook('onRoute', ({ url, method }) => {
    // A wildcard is no path of which something could be said.
    if (!watching || url.endsWith('*')) return;
    const methods = methodsOf.get(url) ?? new Set();
    methodsOf.set(url, methods);
    for (const one of [method].flat()) methods.add(one);
  });
  return () => {
    watching = false;
    for (const [url, methods] of methodsOf) answerOtherMethods(router, url, methods);
  };
}

/** `OPTIONS` says what there is, and every other method is refused with the same list. */
function answerOtherMethods(router: HttpRouter, url: string, methods: ReadonlySet<HTTPMethods>): void {
  const allowed = [...methods, 'OPTIONS'].sort().join(', ');
  const schema = { hide: true } as const;
  router.options(url, { schema }, (_request, reply) => reply.header('Allow', allowed).code(204).send());
  const others = METHODS.filter((method) => !methods.has(method));
  router.route({
    method: others,
    url,
    schema,
    // Before a body is read.
    onRequest: async (request, reply) => {
      reply.header('Allow', allowed);
      throw new MillraceError('method-not-allowed', `there is no ${request.method} here, but ${allowed}`);
    },
    handler: (_request, reply) => reply.send(),
  });
}
