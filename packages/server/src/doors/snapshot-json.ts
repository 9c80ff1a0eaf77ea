import { formatPosition } from '@millrace/protocol';
import type { SnapshotContent } from '../hub/snapshot.ts';
import { isoTime } from './event-json.ts';

/** What every door says of a snapshot: an object without its braces. The state stays the text that it was folded to. */
export function snapshotFields({ topic, view, position, state }: SnapshotContent): string {
  return `"topic":"${topic}","view":${JSON.stringify(view)},"position":"${formatPosition(position)}","state":${state}`;
}

/** The `snapshot` message. */
export function snapshotJson(snapshot: SnapshotContent): string {
  return `{"type":"snapshot",${snapshotFields(snapshot)}}`;
}

/** The flat form of the bare door. */
export function flatSnapshotJson(snapshot: SnapshotContent): string {
  return `{"type":"snapshot","timestamp":"${isoTime(snapshot.timestamp)}",${snapshotFields(snapshot)}}`;
}
