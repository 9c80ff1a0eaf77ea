import type { Zone } from './thresholds.ts';

/**
 * What a rule makes of one thing that it watches. Times are in ms of a monotonic clock.
 *
 *            wrong               wrong for `forMs`             right
 *     ok ───────────▶ pending ─────────────────▶ firing ───────────────▶ resolving
 *      ▲                 │                          ▲                       │   │
 *      │      right      │                          └───── anything else ───┘   │
 *      └─────────────────┴──────────────────────────────────────────────────────┘
 *                                                            right for `resolveForMs`
 */
export type AlertState =
  | { readonly kind: 'ok' }
  /** Wrong, but not for long enough. */
  | { readonly kind: 'pending'; readonly sinceMs: number }
  | { readonly kind: 'firing' }
  /** Right again, but not for long enough. */
  | { readonly kind: 'resolving'; readonly sinceMs: number };

/** What becomes of a rule when nothing is heard for too long. */
export type MissingOutcome =
  /** What fires goes on firing; what has only begun is forgotten. */
  | 'keep'
  /** What fires is resolved. */
  | 'resolve'
  /** It fires, because nothing is heard. */
  | 'fire';

export interface Holds {
  /** How long a value must be wrong, without ever being right, before the alert fires. */
  readonly forMs: number;
  /** How long it must be right, without ever being anything else, before the alert is resolved. */
  readonly resolveForMs: number;
  readonly missing: MissingOutcome;
}

const OK: AlertState = { kind: 'ok' };
const FIRING: AlertState = { kind: 'firing' };

/** Whether an incident is under way, which has been announced and not resolved. */
export function isIncident(state: AlertState): boolean {
  return state.kind === 'firing' || state.kind === 'resolving';
}

/** The state at `nowMs`, when a value has stood in `zone` since the last time that this was asked; pure. */
export function advance(state: AlertState, zone: Zone | 'missing', nowMs: number, holds: Holds): AlertState {
  if (zone === 'missing') return withoutData(state, holds.missing);
  switch (state.kind) {
    case 'ok':
      return zone === 'wrong' ? held(nowMs, nowMs, holds) : state;
    case 'pending':
      if (zone === 'right') return OK;
      // It is only fired by what is wrong now.
      return zone === 'wrong' ? held(state.sinceMs, nowMs, holds) : state;
    case 'firing':
      return zone === 'right' ? resolvedAfter(nowMs, nowMs, holds) : state;
    case 'resolving':
      return zone === 'right' ? resolvedAfter(state.sinceMs, nowMs, holds) : FIRING;
  }
}

function held(sinceMs: number, nowMs: number, { forMs }: Holds): AlertState {
  return nowMs - sinceMs >= forMs ? FIRING : { kind: 'pending', sinceMs };
}

function resolvedAfter(sinceMs: number, nowMs: number, { resolveForMs }: Holds): AlertState {
  return nowMs - sinceMs >= resolveForMs ? OK : { kind: 'resolving', sinceMs };
}

function withoutData(state: AlertState, outcome: MissingOutcome): AlertState {
  switch (outcome) {
    case 'fire':
      return FIRING;
    case 'resolve':
      return OK;
    case 'keep':
      return isIncident(state) ? FIRING : OK;
  }
}
