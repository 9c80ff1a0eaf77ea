import type { MillraceEvent } from '@millrace/protocol';
import type { StoredEvent } from '../engine/engine.ts';

/** A stored event as clients see it, and views fold it. */
export function eventOf(stored: StoredEvent): MillraceEvent {
  const { topic, event, id, offset, epoch, source, key, priority, sealed } = stored;
  return {
    topic,
    event,
    id,
    offset,
    epoch,
    timestamp: new Date(stored.timestamp).toISOString(),
    data: JSON.parse(stored.data) as unknown,
    ...(source !== undefined && { source }),
    ...(key !== undefined && { key }),
    ...(priority !== 'normal' && { priority }),
    ...(sealed && { sealed: true }),
  };
}
