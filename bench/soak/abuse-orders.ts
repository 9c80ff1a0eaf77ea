/** How a connection is left to stand. */
export const STALLS = [
  'half-open',
  'slow-header',
  'unauthenticated',
  'mid-frame before the token',
  'mid-frame',
] as const;
export type Stall = (typeof STALLS)[number];

/** A line of input. */
export type AttackOrder =
  | { readonly attack: 'stall'; readonly stall: Stall; readonly count: number; readonly patienceMs: number }
  | { readonly attack: 'flood'; readonly perSecond: number; readonly forMs: number };

export interface StallReport {
  /** Connections that came about. */
  readonly opened: number;
  /** How long they lasted, in ms. */
  readonly lastedMs: { readonly median: number; readonly max: number };
  /** Those that were still there when patience ended. */
  readonly left: number;
}

export interface FloodReport {
  readonly sent: number;
  /** Until the connection was ended, and with which number. */
  readonly cutAfterMs: number;
  readonly closeCode: number | undefined;
  /** Attempts to come back, by HTTP status. */
  readonly attempts: Readonly<Record<string, number>>;
}
