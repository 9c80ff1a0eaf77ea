import type { SessionSocket } from './session-socket.ts';

/** Work under way beyond which the socket is not read, and below half of which it is again. */
const MAX_WORK = 1024;

/** What one session has asked for and is not done: a client that asks faster than it is served is not read meanwhile. */
export class Backlog {
  readonly #socket: SessionSocket;
  #work = 0;
  #paused = false;

  constructor(socket: SessionSocket) {
    this.#socket = socket;
  }

  /** Work begins; a publication counts 1. */
  begin(work: number): void {
    this.#work += work;
    if (this.#work < MAX_WORK || this.#paused) return;
    this.#paused = true;
    this.#socket.pauseReading();
  }

  end(work: number): void {
    this.#work -= work;
    if (!this.#paused || this.#work >= MAX_WORK / 2) return;
    this.#paused = false;
    this.#socket.resumeReading();
  }
}
