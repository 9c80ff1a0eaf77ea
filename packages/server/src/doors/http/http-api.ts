import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import { fastify } from 'fastify';
import { addAlertRoutes } from './alert-routes.ts';
import { addAnalyticsRoutes } from './analytics-routes.ts';
import { addAuditRoutes } from './audit-routes.ts';
import { createGuard } from './authentication.ts';
import { addBanRoutes } from './ban-routes.ts';
import { addConnectionRoutes } from './connection-routes.ts';
import { addDashboardRoutes } from './dashboard-routes.ts';
import { addDocsRoutes } from './docs-routes.ts';
import { addHealthRoutes } from './health-routes.ts';
import { addHistoryRoutes } from './history-routes.ts';
import type { HttpApi, HttpContext, HttpRouter } from './http-context.ts';
import { addInboxRoutes } from './inbox-routes.ts';
import { parseJsonBodies } from './json-body.ts';
import { addLlmRoutes } from './llm-routes.ts';
import { addMetricsRoute } from './metrics-route.ts';
import { describeRoutes } from './open-api.ts';
import { watchRoutes } from './other-methods.ts';
import { answerWithProblems, createErrorAnswer } from './problem-reply.ts';
import { addProcessRoutes } from './process-routes.ts';
import { addPublishRoutes } from './publish-routes.ts';
import { countAnswers, logRequests } from './request-log.ts';
import { boundRequestMemory, RequestMemory } from './request-memory.ts';
import { answerOrigins, setCommonHeaders } from './response-headers.ts';
import { addSendRoutes } from './send-routes.ts';
import { compileRequestCheck } from './shape-check.ts';
import { addSnapshotRoutes } from './snapshot-routes.ts';
import { addStatsRoutes } from './stats-routes.ts';
import { addTokenRoutes } from './token-routes.ts';
import { addTopicRoutes } from './topic-routes.ts';

/** Longer than any topic, so that one that is too long is refused as such, whatever its encoding. */
const MAX_SEGMENT_LENGTH = 4096;

/** Makes the HTTP API. It listens nowhere: whoever owns the server hands it requests. */
export async function createHttpApi(context: HttpContext): Promise<HttpApi> {
  const { doorway, logger, maxBodyBytes } = context;
  const answer = createErrorAnswer(context);
  const router: HttpRouter = fastify({
    bodyLimit: maxBodyBytes,
    routerOptions: { maxParamLength: MAX_SEGMENT_LENGTH, querystringParser: parseQuery },
    // For requests that do not get as far as the hooks.
    frameworkErrors: (error, request, reply) => {
      setCommonHeaders(request, reply, doorway.allowsOrigin);
      answer(error, request, reply);
    },
  }).withTypeProvider<TypeBoxTypeProvider>();

  router.setValidatorCompiler(compileRequestCheck);
  // Answers are typed where they are written; their schemas are for the document.
  router.setSerializerCompiler(() => (value) => JSON.stringify(value));
  if (logger !== undefined) logRequests(router, logger, doorway.trustedProxies);
  countAnswers(router, doorway.sessions.counters);
  answerOrigins(router, doorway.allowsOrigin);
  answerWithProblems(router, answer);
  parseJsonBodies(router);
  boundRequestMemory(router, { memory: new RequestMemory(context.requestBytes), maxBodyBytes });
  await describeRoutes(router, context);

  const answerOtherMethods = watchRoutes(router);
  const guard = createGuard(router, context);
  addPublishRoutes(router, guard, context);
  addHistoryRoutes(router, guard, context);
  addTopicRoutes(router, guard, context);
  addSnapshotRoutes(router, guard, context);
  addInboxRoutes(router, guard, context);
  addSendRoutes(router, guard, context);
  addLlmRoutes(router, guard, context);
  addConnectionRoutes(router, guard, context);
  addBanRoutes(router, guard, context);
  addProcessRoutes(router, guard, context);
  addTokenRoutes(router, guard, context);
  addAlertRoutes(router, guard, context);
  addAuditRoutes(router, guard, context);
  addStatsRoutes(router, guard, context);
  addAnalyticsRoutes(router, guard, context);
  addMetricsRoute(router, guard, context);
  addHealthRoutes(router, context);
  addDocsRoutes(router, context);
  addDashboardRoutes(router, context);
  answerOtherMethods();
  await router.ready();

  return {
    handle: (request: IncomingMessage, response: ServerResponse) => router.routing(request, response),
    close: async () => {
      await router.close();
    },
  };
}

/** The first of several values counts, as it does at every other door. */
function parseQuery(text: string): Record<string, string> {
  const query = Object.create(null) as Record<string, string>;
  for (const [name, value] of new URLSearchParams(text)) query[name] ??= value;
  return query;
}
