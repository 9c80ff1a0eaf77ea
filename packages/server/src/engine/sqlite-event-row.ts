/** One row of `events` in the order of {@link EVENT_COLUMNS}, as it travels between the threads. */
export type EventRow = readonly [
  seq: number,
  topic: number,
  offset: number,
  timestamp: number,
  flags: number,
  id: string,
  event: string,
  data: string,
  source: string | null,
  key: string | null,
];

export const EVENT_COLUMNS = 'seq, topic, offset, timestamp, flags, id, event, data, source, key';
