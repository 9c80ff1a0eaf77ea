import { type Cursor, encodeSegment, formatCursor, parseCursor } from '@millrace/protocol';
import { SYSTEM_ENTITY } from '../auth/identity.ts';
import type { Engine } from '../engine/engine.ts';
import type { Publisher } from '../session/publisher.ts';

/** As it is stored. `v` lets a newer server say more. */
interface StoredPlace {
  readonly v: 1;
  readonly cursor: string;
}

/** How far the bridge of an entity has come: events of a topic of the system entity, of which the newest counts. */
export class PlaceLog {
  readonly #engine: Engine;
  readonly #publisher: Publisher;
  readonly #topic: string;

  constructor(engine: Engine, publisher: Publisher, entity: string) {
    this.#engine = engine;
    this.#publisher = publisher;
    this.#topic = `bridge-state.${encodeSegment(entity)}`;
  }

  /** `undefined` when nothing was ever stored. */
  async read(): Promise<Cursor | undefined> {
    const page = await this.#engine.read(SYSTEM_ENTITY, this.#topic, { last: 1 }, { maxEvents: 1 });
    if (!page.ok) throw new Error(`${this.#topic} cannot be read: ${page.reason}`);
    const [newest] = page.events;
    if (newest === undefined) return undefined;
    const { v, cursor } = JSON.parse(newest.data) as StoredPlace;
    if (v === 1) return parseCursor(cursor);
    throw new Error(`${this.#topic} is of a newer version`);
  }

  /** Rejects with a `MillraceError` when it is not stored. */
  async write(cursor: Cursor): Promise<void> {
    const place: StoredPlace = { v: 1, cursor: formatCursor(cursor) };
    const input = { topic: this.#topic, event: 'place', data: JSON.stringify(place) };
    await this.#publisher.publishOneInternally(SYSTEM_ENTITY, input);
  }
}
