/** Listeners by event name. A listener that is added or removed during a call is not called, or still called, by it. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, readonly ((value: never) => void)[]>();
  readonly #onThrow: (error: unknown) => void;

  /** `onThrow` gets what a listener throws: one listener's fault must not stop the others, or the SDK. */
  constructor(onThrow: (error: unknown) => void) {
    this.#onThrow = onThrow;
  }

  on<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): () => void {
    // A wrapper of its own, so that the same function added twice is two listeners with an undo each.
    const entry = (value: Events[Name]): void => listener(value);
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), entry]);
    return () => {
      const left = (this.#listeners.get(name) ?? []).filter((other) => other !== entry);
      this.#listeners.set(name, left);
    };
  }

  has(name: keyof Events): boolean {
    return (this.#listeners.get(name)?.length ?? 0) > 0;
  }

  emit<Name extends keyof Events>(name: Name, value: Events[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        // `on` stored under this name only listeners of its type.
        (listener as (value: Events[Name]) => void)(value);
      } catch (error) {
        this.#onThrow(error);
      }
    }
  }
}
