import type { StoredEvent } from '../engine/engine.ts';

/** Printing a time costs ten times a lookup, and many events share a millisecond. */
let lastMs = Number.NaN;
let lastText = '';

export function isoTime(ms: number): string {
  if (ms !== lastMs) {
    lastMs = ms;
    lastText = new Date(ms).toISOString();
  }
  return lastText;
}

/** The fields of an `event` message that need no escaping: topics, ids and epochs are of a safe alphabet. */
export function eventJson(event: StoredEvent, attempt?: number): string {
  let json = `{"type":"event","topic":"${event.topic}","event":${JSON.stringify(event.event)},"id":"${event.id}","offset":${event.offset},"epoch":"${event.epoch}","timestamp":"${isoTime(event.timestamp)}","data":${event.data}`;
  if (event.source !== undefined) json += `,"source":${JSON.stringify(event.source)}`;
  if (event.key !== undefined) json += `,"key":${JSON.stringify(event.key)}`;
  if (event.priority !== 'normal') json += `,"priority":"${event.priority}"`;
  if (attempt !== undefined) json += `,"attempt":${attempt}`;
  if (event.sealed) json += ',"sealed":true';
  return `${json}}`;
}

/** The flat form of the bare door: the envelope's `type` and `timestamp` win over fields of the same name. */
export function flatEventJson(event: StoredEvent): string {
  const envelope = `{"type":${JSON.stringify(event.event)},"timestamp":"${isoTime(event.timestamp)}"`;
  const { data } = event;
  if (data === '{}') return `${envelope}}`;
  // JSON text of an object begins with its brace: it was written by JSON.stringify.
  if (data.charCodeAt(0) !== 0x7b) return `${envelope},"data":${data}}`;
  if (!data.includes('"type":') && !data.includes('"timestamp":')) return `${envelope},${data.slice(1)}`;
  const fields = JSON.parse(data) as Record<string, unknown>;
  if (!Object.hasOwn(fields, 'type') && !Object.hasOwn(fields, 'timestamp'))
    return `${envelope},${data.slice(1)}`;
  const { type: _type, timestamp: _timestamp, data: _data, ...rest } = fields;
  const others = JSON.stringify(rest).slice(1, -1);
  return `${envelope}${others === '' ? '' : `,${others}`},"data":${data}}`;
}
