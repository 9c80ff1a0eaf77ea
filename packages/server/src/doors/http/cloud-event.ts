import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { type EventInput, MillraceError } from '@millrace/protocol';
import { createShapeCheck } from './shape-check.ts';
import { CloudEventShape } from './wire-shapes.ts';

/* CloudEvents 1.0 as events of ours: `type` → `event`, `subject` → `key`, (`source`, `id`) → `idempotencyKey`. */

const checkCloudEvent = createShapeCheck(CloudEventShape);

/** Whether a request carries a CloudEvent in binary mode: attributes as headers, the data as the body. */
export function isBinaryCloudEvent(headers: IncomingHttpHeaders): boolean {
  return headers['ce-specversion'] !== undefined;
}

/** Puts a binary-mode event together (CloudEvents HTTP binding §3.1). */
export function readBinaryCloudEvent(headers: IncomingHttpHeaders, data: unknown): Record<string, unknown> {
  const event: Record<string, unknown> = { data };
  for (const name of ['specversion', 'type', 'source', 'id', 'subject', 'topic']) {
    const value = headers[`ce-${name}`];
    if (typeof value === 'string') event[name] = decodeHeader(name, value);
  }
  return event;
}

/** §3.1.3.2: header values are percent-encoded UTF-8. */
function decodeHeader(name: string, value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    throw new MillraceError('bad-message', `the header ce-${name} is not percent-encoded UTF-8`, {
      details: { path: `/${name}` },
    });
  }
}

/**
 * Reads one CloudEvent. `defaultTopic` is for events that name none themselves; `path` is where it stands in the body.
 * Throws a `MillraceError`: `bad-message`, `not-supported`.
 */
export function readCloudEvent(value: unknown, path: string, defaultTopic: string | undefined): EventInput {
  const event = checkCloudEvent(value, path);
  if ('data_base64' in event) {
    throw new MillraceError(
      'not-supported',
      `"${path}/data_base64": binary data is not supported; send JSON in "data"`,
    );
  }
  const topic = event.topic ?? defaultTopic;
  if (topic === undefined) {
    throw new MillraceError(
      'bad-message',
      `"${path}/topic" is missing; name the topic there, or by ?topic=`,
      {
        details: { path: `${path}/topic` },
      },
    );
  }
  return {
    topic,
    event: event.type,
    data: event.data ?? null,
    source: event.source,
    idempotencyKey: idempotencyKeyOf(event.source, event.id),
    ...(event.subject !== undefined && { key: event.subject }),
  };
}

/** `source` and `id` together identify a CloudEvent; as a digest they fit, whatever their length. */
function idempotencyKeyOf(source: string, id: string): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([source, id]))
    .digest('base64url');
  return `cloudevent:${digest}`;
}
