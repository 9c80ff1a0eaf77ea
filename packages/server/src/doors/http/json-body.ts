import { isUtf8 } from 'node:buffer';
import { checkValue, MillraceError, parseJson } from '@millrace/protocol';
import type { HttpRouter } from './http-context.ts';

/** Bodies that the API reads. */
export const JSON_TYPE = 'application/json';
export const CLOUD_EVENT_TYPE = 'application/cloudevents+json';
export const CLOUD_EVENT_BATCH_TYPE = 'application/cloudevents-batch+json';

/** Levels around the events of a batch, so that an event may be as deep there as by itself. */
const BATCH_LEVELS = 2;

/** Reads bodies by the rules that messages have ([MSG-2]). An empty body is `undefined`. */
export function parseJsonBodies(router: HttpRouter, maxJsonDepth: number): void {
  router.removeAllContentTypeParsers();
  router.addContentTypeParser(
    [JSON_TYPE, CLOUD_EVENT_TYPE, CLOUD_EVENT_BATCH_TYPE],
    { parseAs: 'buffer' },
    async (_request: unknown, body: Buffer) => {
      if (body.length === 0) return undefined;
      if (!isUtf8(body)) throw new MillraceError('bad-utf8', 'the body is not valid UTF-8');
      const value = parseJson(body.toString('utf8'));
      checkValue(value, maxJsonDepth + BATCH_LEVELS, '');
      return value;
    },
  );
}
