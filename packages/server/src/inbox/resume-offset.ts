import type { Engine } from '../engine/engine.ts';
import type { Start } from '../hub/opening.ts';
import { readByCursor } from '../hub/read-by-cursor.ts';
import type { ConsumerKey } from './consumer-key.ts';

/** The offset in a topic at which a start stands; `undefined` where it can not be told. */
export async function resumeOffset(
  engine: Engine,
  { entity, topic }: ConsumerKey,
  start: Start,
): Promise<number | undefined> {
  const limit = { maxEvents: 1 };
  if (start.kind !== 'position' && start.kind !== 'cursor') return undefined;
  const page =
    start.kind === 'position'
      ? await engine.read(entity, topic, { after: start.position }, limit)
      : await readByCursor(engine, entity, topic, start.cursor, limit);
  if (!page.ok) return undefined;
  return page.events.length > 0 ? (page.events[0]?.offset ?? 1) - 1 : page.head.offset;
}
