import { MillraceError } from '@millrace/protocol';
import { DEFAULT_ENTITY } from '../auth/identity.ts';
import type { Clock, Timer } from '../clock.ts';
import type { EncodedInput, Publisher } from '../session/publisher.ts';

export interface StorageWatchOptions {
  readonly clock: Clock;
  readonly publisher: Pick<Publisher, 'publishInternally'>;
}

interface Trouble {
  readonly sinceMs: number;
  failed: number;
  newest: MillraceError;
}

const ERROR_TOPIC = 'system.error';
/** Fewer are told to their publishers, and to nobody else. */
const REPEATED = 3;
const FIRST_TRY_MS = 1000;
const MAX_TRY_MS = 30_000;

/**
 * Leaves a record when the log could not store again and again ([SYS-2]): an event for the operator, which is tried until it is stored,
 * and so says both that there was trouble and that it is over. Until then the server's log and its figures tell.
 */
export class StorageWatch {
  readonly #options: StorageWatchOptions;
  #trouble: Trouble | undefined;
  #timer: Timer | undefined;

  constructor(options: StorageWatchOptions) {
    this.#options = options;
  }

  /** An event could not be stored, for now. */
  failed({ topic }: Pick<EncodedInput, 'topic'>, error: MillraceError): void {
    if (topic === ERROR_TOPIC) return;
    this.#trouble ??= { sinceMs: this.#options.clock.now(), failed: 0, newest: error };
    this.#trouble.failed++;
    this.#trouble.newest = error;
    if (this.#trouble.failed === REPEATED) this.#tryLater(FIRST_TRY_MS);
  }

  close(): void {
    this.#timer?.cancel();
  }

  #tryLater(delayMs: number): void {
    this.#timer = this.#options.clock.after(delayMs, () => void this.#report(delayMs));
  }

  async #report(delayMs: number): Promise<void> {
    const trouble = this.#trouble;
    if (trouble === undefined) return;
    const told = trouble.failed;
    const inputs = [
      { topic: ERROR_TOPIC, event: 'system.error', data: JSON.stringify(this.#describe(trouble)) },
    ];
    const [outcome] = await this.#options.publisher.publishInternally(DEFAULT_ENTITY, inputs);
    // What failed while this was stored is not told by it.
    if (outcome instanceof MillraceError || trouble.failed > told)
      this.#tryLater(Math.min(MAX_TRY_MS, 2 * delayMs));
    else this.#trouble = undefined;
  }

  #describe({ sinceMs, failed, newest }: Trouble) {
    const now = this.#options.clock.now();
    return {
      message: `${failed} events could not be stored within ${Math.round((now - sinceMs) / 1000)} s: ${newest.message}`,
      code: newest.code,
      failed,
      since: new Date(sinceMs).toISOString(),
      until: new Date(now).toISOString(),
    };
  }
}
