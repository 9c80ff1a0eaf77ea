import { namespaceOf } from '@millrace/protocol';

/** What is worth a line in the log. */
export interface UnknownEventWarning {
  readonly namespace: string;
  readonly event: string;
  /** Where it was first seen. */
  readonly topic: string;
}

export interface UnknownEventWarningsOptions {
  readonly warn: (warning: UnknownEventWarning) => void;
  /** Called once, instead of the first warning too many. */
  readonly onFull: (maxNames: number) => void;
  /** Names that are told; names come from outside. Default 1,000. */
  readonly maxNames?: number;
}

/** Tells of each name that the catalog does not know once in each namespace, and not of ever more names. */
export class UnknownEventWarnings {
  readonly #options: UnknownEventWarningsOptions;
  readonly #maxNames: number;
  readonly #told: Set<string> = new Set();
  #full = false;

  constructor(options: UnknownEventWarningsOptions) {
    this.#options = options;
    this.#maxNames = options.maxNames ?? 1000;
  }

  saw(topic: string, event: string): void {
    const namespace = namespaceOf(topic);
    // No namespace has a space.
    const name = `${namespace} ${event}`;
    if (this.#full || this.#told.has(name)) return;
    if (this.#told.size === this.#maxNames) {
      this.#full = true;
      this.#options.onFull(this.#maxNames);
      return;
    }
    this.#told.add(name);
    this.#options.warn({ namespace, event, topic });
  }
}
