import type { MillraceError } from '@millrace/protocol';
import type { ConnectionState } from './types.ts';

/*
 * When to connect, wait, come back and give up, as a pure function: (state, input) → [state, effects]. Time and
 * randomness come in with the inputs; what carries the effects out is connection.ts.
 *
 *                  connect             welcomed
 *        idle ───────────────▶ opening ────────▶ open
 *                               ▲   │ lost        │ lost
 *               retry, wake,    │   ▼             │
 *               connect         └─ waiting ◀──────┘
 *                                   │ told not to come back, or attempts used up
 *                  connect          ▼
 *        opening ◀────────────── failed            stop: from anywhere to stopped, for good
 */

export interface MachineOptions {
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
  readonly maxAttempts: number;
  /** A connection that lasted less counts as a failed attempt: a server that takes and drops is not hammered. */
  readonly stableMs: number;
}

/** How a connection or an attempt ended. */
export interface Loss {
  readonly cause: 'closed' | 'timeout';
  readonly error: MillraceError;
  /** Coming back is no use. */
  readonly final: boolean;
  /** The server asks to be left alone for this long. */
  readonly retryAfterMs?: number | undefined;
}

export type WaitingState = 'disconnected' | 'connect_error' | 'timeout';

/** `attempts`: how many have failed in a row. */
export type MachineState =
  | { readonly name: 'idle' }
  | { readonly name: 'opening'; readonly attempts: number }
  | { readonly name: 'open'; readonly attempts: number; readonly sinceMs: number }
  | { readonly name: 'waiting'; readonly attempts: number; readonly shown: WaitingState }
  | { readonly name: 'failed'; readonly error: MillraceError }
  | { readonly name: 'stopped' };

export type MachineInput =
  /** The application wants a connection now. */
  | { readonly name: 'connect' }
  | { readonly name: 'welcomed'; readonly atMs: number }
  /** `random` is from 0 up to 1. */
  | { readonly name: 'lost'; readonly atMs: number; readonly random: number; readonly loss: Loss }
  /** The delay is over. */
  | { readonly name: 'retry' }
  /** The machine may have slept, or the network changed. */
  | { readonly name: 'wake' }
  | { readonly name: 'stop' };

export type MachineEffect =
  | { readonly name: 'open' }
  /** Close what is open or opening; nothing of it is heard any more. */
  | { readonly name: 'drop' }
  | { readonly name: 'delay'; readonly delayMs: number }
  | { readonly name: 'cancelDelay' }
  /** Ask at once whether the connection still lives. */
  | { readonly name: 'probe' };

type Step = readonly [MachineState, readonly MachineEffect[]];

const OPEN: MachineEffect = { name: 'open' };
const DROP: MachineEffect = { name: 'drop' };
const CANCEL: MachineEffect = { name: 'cancelDelay' };
const PROBE: MachineEffect = { name: 'probe' };

/** Exponential backoff with full jitter; none before the first attempt after a connection that stood. */
function backoffMs(attempts: number, random: number, options: MachineOptions): number {
  if (attempts === 0) return 0;
  const bound = Math.min(options.maxDelayMs, options.minDelayMs * 2 ** Math.min(attempts - 1, 30));
  return random * bound;
}

function delayMs(attempts: number, random: number, loss: Loss, options: MachineOptions): number {
  if (loss.retryAfterMs === undefined) return backoffMs(attempts, random, options);
  // Everyone was told the same time, so everyone spreads out after it.
  return loss.retryAfterMs + backoffMs(Math.max(attempts, 1), random, options);
}

function lose(
  state: Extract<MachineState, { name: 'opening' | 'open' }>,
  input: Extract<MachineInput, { name: 'lost' }>,
  options: MachineOptions,
): Step {
  const { loss } = input;
  const stood = state.name === 'open';
  const stable = stood && input.atMs - state.sinceMs >= options.stableMs;
  const attempts = stable ? 0 : state.attempts + 1;
  const usedUp = !stable && attempts >= options.maxAttempts;
  if (loss.final || usedUp) return [{ name: 'failed', error: loss.error }, [DROP]];
  const shown = loss.cause === 'timeout' ? 'timeout' : stood ? 'disconnected' : 'connect_error';
  const delay = delayMs(attempts, input.random, loss, options);
  return [{ name: 'waiting', attempts, shown }, [DROP, { name: 'delay', delayMs: delay }]];
}

/** An input that means nothing in a state changes nothing. */
export function step(state: MachineState, input: MachineInput, options: MachineOptions): Step {
  if (state.name === 'stopped') return [state, []];
  if (input.name === 'stop') return [{ name: 'stopped' }, [CANCEL, DROP]];
  switch (state.name) {
    case 'idle':
    case 'failed':
      return input.name === 'connect' ? [{ name: 'opening', attempts: 0 }, [OPEN]] : [state, []];
    case 'opening':
      if (input.name === 'welcomed') {
        return [{ name: 'open', attempts: state.attempts, sinceMs: input.atMs }, []];
      }
      return input.name === 'lost' ? lose(state, input, options) : [state, []];
    case 'open':
      if (input.name === 'wake') return [state, [PROBE]];
      return input.name === 'lost' ? lose(state, input, options) : [state, []];
    case 'waiting':
      if (input.name === 'retry') return [{ name: 'opening', attempts: state.attempts }, [OPEN]];
      if (input.name !== 'wake' && input.name !== 'connect') return [state, []];
      return [{ name: 'opening', attempts: state.attempts }, [CANCEL, OPEN]];
  }
}

/** What the application is shown. */
export function connectionStateOf(state: MachineState): ConnectionState {
  switch (state.name) {
    case 'idle':
    case 'stopped':
      return 'disconnected';
    case 'opening':
      return 'connecting';
    case 'open':
      return 'connected';
    case 'waiting':
      return state.shown;
    case 'failed':
      return 'reconnect_failed';
  }
}
