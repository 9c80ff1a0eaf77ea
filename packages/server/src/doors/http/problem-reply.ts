import { STATUS_CODES } from 'node:http';
import { MillraceError } from '@millrace/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { PROBLEM_TYPE, type Problem, problemOfAny, retryHeader } from '../problem.ts';
import type { HttpContext, HttpRouter } from './http-context.ts';

/** What fastify says of a request that it could not take, in our words. A status is given where ours is less exact. */
function explainRefusal(
  error: Error & { code?: unknown; statusCode?: unknown },
  maxBodyBytes: number,
): { error: unknown; status?: number } {
  if (error instanceof MillraceError) return { error };
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return {
        error: new MillraceError(
          'too-large',
          `the body is over ${maxBodyBytes} bytes; send fewer events at once`,
          {
            details: { maxBodyBytes },
          },
        ),
      };
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    case 'FST_ERR_CTP_EMPTY_TYPE':
      return {
        error: new MillraceError(
          'bad-message',
          'the body is not JSON by its Content-Type; send application/json',
        ),
        status: 415,
      };
    case 'FST_ERR_BAD_URL':
      return { error: new MillraceError('bad-message', 'the path is not percent-encoded UTF-8') };
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return { error: new MillraceError('bad-message', 'a segment of the path is too long') };
    default:
      if (typeof error.statusCode !== 'number' || error.statusCode >= 500) return { error };
      return { error: new MillraceError('bad-message', `the request cannot be read: ${error.message}`) };
  }
}

/** Answers with a problem ([HTTP-1]). */
function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  if (problem.status === 401) reply.header('WWW-Authenticate', 'Bearer realm="millrace"');
  reply.headers(retryHeader(problem));
  // The rest of a body that nobody will read is not waited for.
  if (!reply.request.raw.complete) reply.header('Connection', 'close');
  return reply.code(problem.status).type(PROBLEM_TYPE).send(JSON.stringify(problem));
}

export type ErrorAnswer = (error: unknown, request: FastifyRequest, reply: FastifyReply) => FastifyReply;

/** Answers to whatever was thrown while a request was served. */
export function createErrorAnswer({ doorway, maxBodyBytes }: HttpContext): ErrorAnswer {
  return (thrown, request, reply) => {
    const { error, status } = explainRefusal(thrown as Error, maxBodyBytes);
    const where = request.routeOptions.url ?? 'an unknown route';
    const problem = problemOfAny(error, (cause) =>
      doorway.sessions.onError(cause, `answering ${request.method} ${where}`),
    );
    doorway.sessions.counters.countError(problem.code);
    return sendProblem(reply, status === undefined ? problem : withStatus(problem, status));
  };
}

/** For where HTTP has a more exact status than the code's. */
function withStatus(problem: Problem, status: number): Problem {
  return { ...problem, status, title: STATUS_CODES[status] ?? problem.title };
}

export function answerWithProblems(router: HttpRouter, answer: ErrorAnswer): void {
  router.setErrorHandler(answer);
  // Before a body is read: anybody may ask for what is not there.
  router.addHook('onRequest', async (request) => {
    if (request.is404) throw noRoute(request);
  });
  router.setNotFoundHandler((request, reply) => answer(noRoute(request), request, reply));
}

function noRoute({ method, url }: FastifyRequest): MillraceError {
  return new MillraceError('not-found', `there is no route ${method} ${url.split('?', 1)[0]}; see /docs`);
}
