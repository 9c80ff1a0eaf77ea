/** A session's way out, owned by its door: the one place that writes to the socket. */
export interface Sink {
  /** Writes ready-made frames with one system call where possible. */
  write(frames: Buffer): void;
  /** Bytes written that the client has not yet answered for. */
  readonly bytesInFlight: number;
  /** Calls back once the transport confirms that the client has what was written so far; never, when it ends first. */
  confirm(onConfirmed: () => void): void;
}
