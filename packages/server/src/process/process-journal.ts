import { SYSTEM_ENTITY } from '../auth/identity.ts';
import type { Engine } from '../engine/engine.ts';
import type { Publisher } from '../session/publisher.ts';

/** Whose retention keeps everything: what is over is trimmed by the journal itself. */
const JOURNAL_TOPIC = 'running-processes';
const PAGE = { maxEvents: 1000 } as const;

/** A process that was started. */
export interface JournalEntry {
  readonly id: string;
  readonly entity: string;
  readonly topic: string;
  /** The node that runs it. */
  readonly node: string;
}

/** What runs, in the log: so that a server that comes back knows which of its topics nobody writes to any more. */
export class ProcessJournal {
  readonly #engine: Engine;
  readonly #publisher: Publisher;

  constructor(engine: Engine, publisher: Publisher) {
    this.#engine = engine;
    this.#publisher = publisher;
  }

  /** To be awaited before the process is started. */
  started(entry: JournalEntry): Promise<void> {
    return this.#write('started', entry);
  }

  /** To be called once its topic is sealed. */
  ended(id: string): Promise<void> {
    return this.#write('ended', { id });
  }

  /** What was started and has not ended, on any node. Forgets what is over. */
  async open(): Promise<readonly JournalEntry[]> {
    const open = new Map<string, JournalEntry>();
    let page = await this.#engine.read(SYSTEM_ENTITY, JOURNAL_TOPIC, { earliest: true }, PAGE);
    while (page.ok) {
      for (const { event, data } of page.events) {
        // Written here, as it is read.
        const entry = JSON.parse(data) as JournalEntry;
        if (event === 'started') open.set(entry.id, entry);
        else open.delete(entry.id);
      }
      if (page.behind === 0) break;
      page = await this.#engine.read(SYSTEM_ENTITY, JOURNAL_TOPIC, { after: page.position }, PAGE);
    }
    if (open.size === 0 && page.ok)
      await this.#engine.trim(SYSTEM_ENTITY, JOURNAL_TOPIC, page.position.offset);
    return [...open.values()];
  }

  async #write(event: 'started' | 'ended', entry: JournalEntry | { readonly id: string }): Promise<void> {
    const input = { topic: JOURNAL_TOPIC, event, data: JSON.stringify(entry) };
    await this.#publisher.publishOneInternally(SYSTEM_ENTITY, input);
  }
}
