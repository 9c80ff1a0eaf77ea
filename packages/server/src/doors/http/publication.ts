import type { IncomingHttpHeaders } from 'node:http';
import { checkValue, type EventInput, MAX_PUBLISH_BATCH, MillraceError } from '@millrace/protocol';
import type { EncodedInput } from '../../session/publisher.ts';
import { isBinaryCloudEvent, readBinaryCloudEvent, readCloudEvent } from './cloud-event.ts';
import { CLOUD_EVENT_BATCH_TYPE, CLOUD_EVENT_TYPE } from './json-body.ts';
import { createShapeCheck } from './shape-check.ts';
import { EventInputShape } from './wire-shapes.ts';

/** What a request publishes: each event, or why it cannot be one. */
export interface Publication {
  /** Many were sent, be they one or none. */
  readonly isBatch: boolean;
  readonly inputs: readonly (EncodedInput | MillraceError)[];
}

export interface PublishRequest {
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
  /** The query's, for CloudEvents that name none. */
  readonly topic: string | undefined;
  readonly maxJsonDepth: number;
}

/** Reads one event, or the event at `path` of a batch. Throws a `MillraceError`. */
type EventReader = (value: unknown, path: string) => EventInput;

const readEvent: EventReader = createShapeCheck(EventInputShape) as EventReader;

/** Reads the body of `POST /api/v1/events` ([HTTP-2]). Throws a `MillraceError` when it is none of what that takes. */
export function readPublication(request: PublishRequest): Publication {
  const { headers, body, topic, maxJsonDepth } = request;
  const readCloud: EventReader = (value, path) => readCloudEvent(value, path, topic);
  const one = (value: unknown, read: EventReader): Publication => ({
    isBatch: false,
    inputs: [readOne(value, '', read, maxJsonDepth)],
  });
  const many = (values: unknown, path: string, read: EventReader): Publication => ({
    isBatch: true,
    inputs: listOf(values, path).map((value, i) => readOneOfMany(value, `${path}/${i}`, read, maxJsonDepth)),
  });

  const contentType = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  if (contentType === CLOUD_EVENT_TYPE) return one(body, readCloud);
  if (contentType === CLOUD_EVENT_BATCH_TYPE) return many(body, '', readCloud);
  if (isBinaryCloudEvent(headers)) return one(readBinaryCloudEvent(headers, body), readCloud);
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new MillraceError('bad-json', 'the body is not an object: send one event, or {"events": [...]}');
  }
  return 'events' in body ? many(body.events, '/events', readEvent) : one(body, readEvent);
}

function listOf(values: unknown, path: string): readonly unknown[] {
  const length = Array.isArray(values) ? values.length : 0;
  if (length > 0 && length <= MAX_PUBLISH_BATCH) return values as unknown[];
  throw new MillraceError(
    length === 0 ? 'bad-message' : 'too-large',
    `"${path === '' ? '/' : path}" must be a list of 1 to ${MAX_PUBLISH_BATCH} events`,
    { details: { path, maxEvents: MAX_PUBLISH_BATCH } },
  );
}

function readOne(value: unknown, path: string, read: EventReader, maxJsonDepth: number): EncodedInput {
  checkValue(value, maxJsonDepth, path);
  const event = read(value, path);
  return { ...event, data: JSON.stringify(event.data), value: event.data };
}

function readOneOfMany(
  value: unknown,
  path: string,
  read: EventReader,
  maxJsonDepth: number,
): EncodedInput | MillraceError {
  try {
    return readOne(value, path, read, maxJsonDepth);
  } catch (error) {
    if (error instanceof MillraceError) return error;
    throw error;
  }
}
