import type { FilterSubject, Priority } from '@millrace/protocol';
import type { StoredEvent } from '../engine/engine.ts';

/** An event as filters see it: its data is parsed when the first of them asks, once for all. */
export class EventSubject implements FilterSubject {
  readonly #event: StoredEvent;
  #data: { readonly value: unknown } | undefined;

  constructor(event: StoredEvent) {
    this.#event = event;
    this.#data = undefined;
  }

  get topic(): string {
    return this.#event.topic;
  }

  get event(): string {
    return this.#event.event;
  }

  get source(): string | undefined {
    return this.#event.source;
  }

  get key(): string | undefined {
    return this.#event.key;
  }

  get priority(): Priority {
    return this.#event.priority;
  }

  data(): unknown {
    this.#data ??= { value: JSON.parse(this.#event.data) };
    return this.#data.value;
  }
}
