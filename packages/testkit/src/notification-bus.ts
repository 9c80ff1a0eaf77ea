/**
 * Stands between an engine's commits and its followers, and can lose, hold back and reorder what passes.
 * `relay` is what an engine takes as its `bus`.
 */
export class NotificationBus<Notification> {
  mode: 'pass' | 'drop' | 'hold' = 'pass';
  #held: (() => void)[] = [];

  readonly relay = (notification: Notification, deliver: (notification: Notification) => void): void => {
    if (this.mode === 'pass') deliver(notification);
    else if (this.mode === 'hold') this.#held.push(() => deliver(notification));
  };

  get held(): number {
    return this.#held.length;
  }

  /** Lets through what was held back, in the given order of indexes (as it came, when missing), and what comes next. */
  release(order: readonly number[] = this.#held.map((_, index) => index)): void {
    const held = this.#held;
    this.#held = [];
    this.mode = 'pass';
    for (const index of order) held[index]?.();
  }
}
