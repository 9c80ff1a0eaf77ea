import type { Cursor } from '@millrace/protocol';
import type { ReadSinceFrom } from './engine.ts';

/** Whether a read of many topics goes on after a place, rather than finding where it begins. */
export function isCursor(from: ReadSinceFrom): from is Cursor {
  return from !== 'earliest' && !('last' in from) && !('time' in from);
}
