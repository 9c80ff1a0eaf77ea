import { PRIORITIES } from '@millrace/protocol';
import type { StoredEvent } from '../engine/engine.ts';

/*
 * One event as a record of bytes, without what it shares with others (entity, topic, engine, partition):
 *
 *   offset, seq, timestamp              float64 each
 *   length of the data in bytes         uint32
 *   flags                               uint8: priority, sealed, whether it has a source and a key
 *   for each of epoch, id, event name,
 *   source and key, its length          uint16 each, in UTF-16 units; then all five as one piece of UTF-8, its length as uint32
 *   these five, then the data           UTF-8
 */
const OFFSET = 0;
const SEQ = 8;
const TIMESTAMP = 16;
const DATA_LENGTH = 24;
const NAMES_LENGTH = 28;
const NAME_LENGTHS = 32;
const FLAGS = 42;
const HEADER_BYTES = 43;

const PRIORITY_MASK = 0b11;
const SEALED = 0b100;
const HAS_SOURCE = 0b1000;
const HAS_KEY = 0b10000;

/** All names of an event together, in UTF-16 units. */
const LONGEST_NAMES = 0xffff;

/** What the events of one partition of an engine have in common. */
export type EventLane = Pick<StoredEvent, 'entity' | 'slot' | 'partition'>;

/** An event that is about to be written, measured. */
export interface MeasuredEvent {
  readonly event: StoredEvent;
  readonly names: string;
  readonly namesLength: number;
  readonly dataLength: number;
  /** The whole record's, in bytes. */
  readonly length: number;
}

/** `undefined` for an event whose names are longer than a record can say. */
export function measureEvent(event: StoredEvent): MeasuredEvent | undefined {
  const { epoch, id, source = '', key = '' } = event;
  const names = epoch + id + event.event + source + key;
  if (names.length > LONGEST_NAMES) return undefined;
  const namesLength = Buffer.byteLength(names);
  const dataLength = Buffer.byteLength(event.data);
  return { event, names, namesLength, dataLength, length: HEADER_BYTES + namesLength + dataLength };
}

export function writeEvent(
  memory: Buffer,
  start: number,
  { event, names, namesLength, dataLength }: MeasuredEvent,
): void {
  memory.writeDoubleLE(event.offset, start + OFFSET);
  memory.writeDoubleLE(event.seq, start + SEQ);
  memory.writeDoubleLE(event.timestamp, start + TIMESTAMP);
  memory.writeUInt32LE(dataLength, start + DATA_LENGTH);
  memory.writeUInt32LE(namesLength, start + NAMES_LENGTH);
  memory.writeUInt16LE(event.epoch.length, start + NAME_LENGTHS);
  memory.writeUInt16LE(event.id.length, start + NAME_LENGTHS + 2);
  memory.writeUInt16LE(event.event.length, start + NAME_LENGTHS + 4);
  memory.writeUInt16LE(event.source?.length ?? 0, start + NAME_LENGTHS + 6);
  memory.writeUInt16LE(event.key?.length ?? 0, start + NAME_LENGTHS + 8);
  memory.writeUInt8(flagsOf(event), start + FLAGS);
  const namesAt = start + HEADER_BYTES;
  memory.write(names, namesAt, namesLength);
  memory.write(event.data, namesAt + namesLength, dataLength);
}

export function readEvent(memory: Buffer, start: number, lane: EventLane, topic: string): StoredEvent {
  const namesAt = start + HEADER_BYTES;
  const dataAt = namesAt + memory.readUInt32LE(start + NAMES_LENGTH);
  const names = memory.toString('utf8', namesAt, dataAt);
  const flags = memory.readUInt8(start + FLAGS);
  const epochEnd = memory.readUInt16LE(start + NAME_LENGTHS);
  const idEnd = epochEnd + memory.readUInt16LE(start + NAME_LENGTHS + 2);
  const eventEnd = idEnd + memory.readUInt16LE(start + NAME_LENGTHS + 4);
  const sourceEnd = eventEnd + memory.readUInt16LE(start + NAME_LENGTHS + 6);
  return {
    entity: lane.entity,
    topic,
    epoch: names.slice(0, epochEnd),
    offset: readOffset(memory, start),
    slot: lane.slot,
    partition: lane.partition,
    seq: readSeq(memory, start),
    id: names.slice(epochEnd, idEnd),
    event: names.slice(idEnd, eventEnd),
    timestamp: readTimestamp(memory, start),
    data: memory.toString('utf8', dataAt, dataAt + memory.readUInt32LE(start + DATA_LENGTH)),
    source: (flags & HAS_SOURCE) === 0 ? undefined : names.slice(eventEnd, sourceEnd),
    key: (flags & HAS_KEY) === 0 ? undefined : names.slice(sourceEnd),
    priority: PRIORITIES[flags & PRIORITY_MASK] ?? 'normal',
    sealed: (flags & SEALED) !== 0,
  };
}

export function readOffset(memory: Buffer, start: number): number {
  return memory.readDoubleLE(start + OFFSET);
}

export function readSeq(memory: Buffer, start: number): number {
  return memory.readDoubleLE(start + SEQ);
}

/** Milliseconds since the Unix epoch. */
export function readTimestamp(memory: Buffer, start: number): number {
  return memory.readDoubleLE(start + TIMESTAMP);
}

/** Of the whole record, in bytes. */
export function recordLength(memory: Buffer, start: number): number {
  return HEADER_BYTES + memory.readUInt32LE(start + NAMES_LENGTH) + memory.readUInt32LE(start + DATA_LENGTH);
}

function flagsOf({ priority, sealed, source, key }: StoredEvent): number {
  return (
    PRIORITIES.indexOf(priority) |
    (sealed ? SEALED : 0) |
    (source === undefined ? 0 : HAS_SOURCE) |
    (key === undefined ? 0 : HAS_KEY)
  );
}
