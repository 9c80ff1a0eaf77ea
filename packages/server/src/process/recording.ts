/**
 * Where an execution's events go: over the SDK (`millrace run`) or straight into the log (the server). What is recorded is stored in this
 * order. Each event's data gets the execution's id beside what is given.
 */
export interface Recording {
  /** Returns at once. The last event seals the topic; nothing is recorded after it. */
  record(event: string, data: Readonly<Record<string, unknown>>, options?: { readonly seal?: boolean }): void;
  /** So much waits to be stored that no more output should be read; {@link room} tells when to go on. */
  readonly full: boolean;
  room(): Promise<void>;
}
