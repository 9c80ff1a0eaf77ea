import { isUtf8 } from 'node:buffer';
import { MillraceError, parseJson } from '@millrace/protocol';
import type { HttpRouter } from './http-context.ts';

/** Bodies that the API reads. */
export const JSON_TYPE = 'application/json';
export const CLOUD_EVENT_TYPE = 'application/cloudevents+json';
export const CLOUD_EVENT_BATCH_TYPE = 'application/cloudevents-batch+json';

/**
 * Reads bodies by the rules that messages have ([MSG-2]). Their depth and keys are checked event by event, so that one
 * does not refuse the others. An empty body is `undefined`.
 */
export function parseJsonBodies(router: HttpRouter): void {
  router.removeAllContentTypeParsers();
  router.addContentTypeParser(
    [JSON_TYPE, CLOUD_EVENT_TYPE, CLOUD_EVENT_BATCH_TYPE],
    { parseAs: 'buffer' },
    async (_request: unknown, body: Buffer) => {
      if (body.length === 0) return undefined;
      if (!isUtf8(body)) throw new MillraceError('bad-utf8', 'the body is not valid UTF-8');
      return parseJson(body.toString('utf8'));
    },
  );
}
