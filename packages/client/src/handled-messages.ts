type State = 'pending' | 'failed' | 'handled';

/**
 * Which messages of a consumer were handled, and so how far it can be acknowledged: acknowledgements are cumulative,
 * so never past a message that was not. It outlives connections; an offset belongs to one epoch of the topic.
 */
export class HandledMessages {
  readonly epoch: string;
  /** What was handed over and lies behind {@link #doneUpTo}, in the order of offsets. */
  #states = new Map<number, State>();
  #highest = 0;
  #doneUpTo = 0;
  /** Highest offset that came by this subscription: the server takes no acknowledgement beyond it. */
  #reach = 0;
  /** What the server was told by this subscription. */
  #toldUpTo = 0;

  constructor(epoch: string) {
    this.epoch = epoch;
  }

  /** Everything at or before it is handled, or over. */
  get doneUpTo(): number {
    return this.#doneUpTo;
  }

  /** A new subscription: the server sends again what it does not know to be acknowledged. */
  subscribed(): void {
    this.#reach = 0;
    this.#toldUpTo = 0;
  }

  /** Whether a message that came is to be handed over: not when it was handled, waits, or is being handled. */
  receive(offset: number): boolean {
    this.#reach = Math.max(this.#reach, offset);
    if (offset <= this.#doneUpTo) {
      // The server does not know, so it is told again.
      this.#toldUpTo = Math.min(this.#toldUpTo, offset - 1);
      return false;
    }
    const state = this.#states.get(offset);
    if (state !== undefined && state !== 'failed') return false;
    this.#add(offset);
    return true;
  }

  handled(offset: number): void {
    if (!this.#states.has(offset)) return;
    this.#states.set(offset, 'handled');
    this.#advance();
  }

  /** It will come again. */
  failed(offset: number): void {
    if (this.#states.get(offset) === 'pending') this.#states.set(offset, 'failed');
  }

  /** The consumer has moved on by other means: nothing at or before `offset` comes again. */
  passed(offset: number): void {
    for (const known of this.#states.keys()) if (known <= offset) this.#states.delete(known);
    this.#doneUpTo = Math.max(this.#doneUpTo, offset);
    this.#toldUpTo = Math.max(this.#toldUpTo, offset);
    this.#advance();
  }

  /** What the server is to be told, if anything. */
  get due(): number | undefined {
    const upTo = Math.min(this.#doneUpTo, this.#reach);
    return upTo > this.#toldUpTo ? upTo : undefined;
  }

  told(offset: number): void {
    this.#toldUpTo = Math.max(this.#toldUpTo, offset);
  }

  #add(offset: number): void {
    this.#states.set(offset, 'pending');
    if (offset < this.#highest) this.#states = new Map([...this.#states].sort(([a], [b]) => a - b));
    this.#highest = Math.max(this.#highest, offset);
  }

  #advance(): void {
    for (const [offset, state] of this.#states) {
      if (state !== 'handled') return;
      this.#states.delete(offset);
      this.#doneUpTo = offset;
    }
  }
}
