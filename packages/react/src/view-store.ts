import type { View } from '@millrace/catalog/views';
import type { Client, MillraceError } from '@millrace/client';
import { ExternalStore } from './external-store.ts';
import { FrameBatcher } from './frame-batcher.ts';
import type { FrameScheduler } from './frame-scheduler.ts';
import type { FeedPhase } from './topic-feed.ts';

export interface ViewSnapshot<State> {
  /**
   * `undefined` until the server has answered. Another object when it changes, so it can be a dependency; within it, what
   * did not change may be the same.
   */
  readonly state: State | undefined;
  /** `sealed`: the state is the topic's last. `failed`: `error` says why, and the state stays as it was. */
  readonly phase: FeedPhase;
  readonly error: MillraceError | undefined;
}

export interface ViewSource<State> {
  readonly client: Client;
  readonly scheduler: FrameScheduler;
  readonly topic: string;
  readonly view: View<State>;
}

const OPENING = { state: undefined, phase: 'opening', error: undefined } as const;

/** By client and view: the stores that somebody looks at, by topic. */
const stores = new WeakMap<Client, Map<unknown, Map<string, unknown>>>();

/** The state of a topic. All who look at the same one share it. */
export function viewStoreOf<State>(source: ViewSource<State>): ExternalStore<ViewSnapshot<State>> {
  const { client, view, topic } = source;
  const byView = stores.get(client) ?? new Map<unknown, Map<string, unknown>>();
  const byTopic = byView.get(view) ?? new Map<string, unknown>();
  stores.set(client, byView.set(view, byTopic));
  // Under a view stand only stores of its states.
  const shared = byTopic.get(topic) as ExternalStore<ViewSnapshot<State>> | undefined;
  if (shared !== undefined) return shared;
  const store: ExternalStore<ViewSnapshot<State>> = new ExternalStore<ViewSnapshot<State>>(
    OPENING,
    (change) => {
      byTopic.set(topic, store);
      const close = openView(source, change);
      return () => {
        byTopic.delete(topic);
        close();
      };
    },
  );
  // Components that are rendered together share it before one of them opens it.
  byTopic.set(topic, store);
  return store;
}

/** Keeps a snapshot current, once a frame. Returns the undo. */
function openView<State>(
  { client, scheduler, topic, view }: ViewSource<State>,
  change: (next: (snapshot: ViewSnapshot<State>) => ViewSnapshot<State>) => void,
): () => void {
  const live = client.view(topic, view);
  const batcher = new FrameBatcher<State>(scheduler, (states) => {
    const state = states.at(-1);
    change(({ phase, ...rest }) => ({
      ...rest,
      state: copyOf(state),
      phase: phase === 'opening' ? 'open' : phase,
    }));
  });
  const tell = (status: Partial<ViewSnapshot<State>>): void => {
    batcher.flush();
    change((snapshot) => ({ ...snapshot, ...status }));
  };
  const undos = [
    live.on('change', (state) => batcher.push(state)),
    live.on('sealed', () => tell({ phase: 'sealed' })),
    live.on('error', (error) => tell({ phase: 'failed', error })),
  ];
  return () => {
    for (const undo of undos) undo();
    batcher.close();
    live.close();
  };
}

/** A view may change its state in place, which React could not see. */
function copyOf<State>(state: State): State {
  if (Array.isArray(state)) return [...state] as State;
  return typeof state === 'object' && state !== null ? { ...state } : state;
}
