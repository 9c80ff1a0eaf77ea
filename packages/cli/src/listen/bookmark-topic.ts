import { type Client, MillraceError } from '@millrace/client';
import type { MillraceEvent } from '@millrace/protocol';
import { CliError } from '../cli-error.ts';
import type { BookmarkState } from './bookmark.ts';

export const BOOKMARK_EVENT = 'listen.progress';

/**
 * Keeps a bookmark in the log, so that a listener goes on where it stopped on whatever machine it is started. Each one written names
 * the one before it: of two listeners of one name the later takes over, and the other notices.
 */
export class BookmarkTopic {
  readonly #client: Client;
  readonly #name: string;
  readonly #topic: string;
  #head = 0;
  #written = '';

  constructor(client: Client, name: string, topic: string) {
    this.#client = client;
    this.#name = name;
    this.#topic = topic;
  }

  /** The newest bookmark; `undefined` where there is none. */
  async load(): Promise<BookmarkState | undefined> {
    const newest = await this.#newest();
    this.#head = newest?.offset ?? 0;
    // Written by `save`, by whoever may publish here.
    return newest?.data as BookmarkState | undefined;
  }

  /** The first save: a listener from before cannot save any more. What that has saved since the bookmark was loaded is done again. */
  async claim(state: BookmarkState): Promise<void> {
    while (!(await this.#write(state))) await this.load();
  }

  /** Does nothing when it is what was saved last. */
  async save(state: BookmarkState): Promise<void> {
    if (await this.#write(state)) return;
    throw new CliError(
      `another listener named "${this.#name}" has taken over; give one of them another --name`,
    );
  }

  /** Whether it stands behind the one that this listener knows. */
  async #write(state: BookmarkState): Promise<boolean> {
    const text = JSON.stringify(state);
    if (text === this.#written) return true;
    try {
      const { offset } = await this.#client.publish(this.#topic, BOOKMARK_EVENT, state, {
        key: 'progress',
        expectOffset: this.#head,
      });
      this.#head = offset;
      this.#written = text;
      return true;
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== 'conflict') throw error;
      return false;
    }
  }

  async #newest(): Promise<MillraceEvent | undefined> {
    const subscription = this.#client.topic(this.#topic, { since: { last: 1 } });
    const empty = new Promise<undefined>((resolve) => {
      subscription.on('subscribed', ({ replayed }) => replayed === 0 && resolve(undefined));
    });
    const events = subscription[Symbol.asyncIterator]();
    try {
      return await Promise.race([events.next().then(({ value }) => value), empty]);
    } finally {
      await events.return?.();
    }
  }
}
