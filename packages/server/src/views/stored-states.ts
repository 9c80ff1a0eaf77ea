import type { AnyView } from '@millrace/catalog';
import { decodeSegment, encodeSegment, MillraceError, namespaceOf } from '@millrace/protocol';
import type { Engine } from '../engine/engine.ts';
import type { Snapshot } from '../hub/snapshot.ts';
import type { LastFolded, StateAt } from './folded-state.ts';

/** Whose topics the stored states are: the server's own ([AUTH-9]). Each keeps its newest event alone. */
export const VIEWS_ENTITY = '$views';

const STATE_EVENT = 'view.state';

/** Of what is written here; what has another format is not read. */
const FORMAT = 1;

/** Topics that are listed at a time. */
const LIST_PAGE = 500;

/** The data of an event that stores a state. */
interface StoredData {
  readonly format: number;
  readonly view: string;
  readonly version: number;
  readonly epoch: string;
  readonly offset: number;
  readonly last?: LastFolded;
  readonly state: unknown;
}

export interface StateToStore {
  readonly snapshot: Snapshot;
  /** The view's. */
  readonly version: number;
  readonly last: LastFolded | undefined;
}

/** States of views in the log, so that long topics open fast, and the state of what retention took is not lost. */
export class StoredStates {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** The newest state of the topic that this version of the view has stored. */
  async load(entity: string, topic: string, view: AnyView): Promise<StateAt | undefined> {
    const page = await this.#engine.read(
      VIEWS_ENTITY,
      storedTopic(entity, topic),
      { last: 1 },
      { maxEvents: 1 },
    );
    const [event] = page.ok ? page.events : [];
    if (event === undefined) return undefined;
    const stored = JSON.parse(event.data) as StoredData;
    const isIts = stored.format === FORMAT && stored.view === view.name && stored.version === view.version;
    if (!isIts) return undefined;
    const { epoch, offset, last, state } = stored;
    return { state, position: { epoch, offset }, last };
  }

  /** As safely as the topic itself. Rejects when it is not, or may not be, stored. */
  async store(entity: string, { snapshot, version, last }: StateToStore): Promise<void> {
    const { topic, view, position, state } = snapshot;
    const rest: Omit<StoredData, 'state'> = {
      format: FORMAT,
      view,
      version,
      epoch: position.epoch,
      offset: position.offset,
      ...(last && { last }),
    };
    const data = `${JSON.stringify(rest).slice(0, -1)},"state":${state}}`;
    const [result] = await this.#engine.append([
      { entity: VIEWS_ENTITY, topic: storedTopic(entity, topic), event: STATE_EVENT, data },
    ]);
    if (result?.status === 'stored') return;
    throw new MillraceError('unavailable', `the state of topic "${topic}" was not stored`, {
      details: { outcome: result },
    });
  }

  /** All that are stored, a page at a time. */
  async *all(): AsyncIterable<readonly { readonly entity: string; readonly topic: string }[]> {
    for (let after = ''; ; ) {
      const heads = await this.#engine.topics(VIEWS_ENTITY, '*', { after, limit: LIST_PAGE });
      yield heads.flatMap(({ topic }) => ownerOf(topic) ?? []);
      const last = heads.at(-1);
      if (last === undefined || heads.length < LIST_PAGE) return;
      after = last.topic;
    }
  }

  async forget(entity: string, topic: string): Promise<void> {
    await this.#engine.delete(VIEWS_ENTITY, storedTopic(entity, topic));
  }
}

/** Whose state a topic of {@link VIEWS_ENTITY} holds. */
function ownerOf(stored: string): { readonly entity: string; readonly topic: string } | undefined {
  const [namespace, segment = '', ...rest] = stored.split('.');
  const entity = decodeSegment(segment);
  return entity === undefined ? undefined : { entity, topic: [namespace, ...rest].join('.') };
}

/** In the topic's own namespace, whose engine holds it: `task.build-7` of `acme` is `task.acme.build-7`. */
function storedTopic(entity: string, topic: string): string {
  const namespace = namespaceOf(topic);
  return `${namespace}.${encodeSegment(entity)}${topic.slice(namespace.length)}`;
}
