// @vitest-environment happy-dom
import { type ConnectionState, type Message, MillraceError, type MillraceEvent } from '@millrace/client';
import { act, type ReactNode, StrictMode } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  type FeedStatus,
  type FrameScheduler,
  MillraceProvider,
  type MillraceProviderProps,
  type TopicSnapshot,
  useConnectionState,
  useEventBatches,
  useInbox,
  useLatest,
  useMillrace,
  useTopic,
  useView,
} from './index.ts';

type Listener = (value: unknown) => void;

/** What the hooks use of a client, driven by the test. */
class FakeEmitter {
  readonly #listeners = new Map<string, Set<Listener>>();

  on(name: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  emit(name: string, value: unknown): void {
    for (const listener of this.#listeners.get(name) ?? []) listener(value);
  }
}

class FakeSubscription extends FakeEmitter {
  readonly topic: string;
  readonly options: unknown;
  closed = false;

  constructor(topic: string, options: unknown) {
    super();
    this.topic = topic;
    this.options = options;
  }

  close(): void {
    this.closed = true;
  }
}

class FakeClient extends FakeEmitter {
  state: ConnectionState = 'connecting';
  readonly subscriptions: FakeSubscription[] = [];

  view(topic: string, view: unknown): FakeSubscription {
    return this.topic(topic, view);
  }

  topic(topic: string, options: unknown): FakeSubscription {
    const subscription = new FakeSubscription(topic, options);
    this.subscriptions.push(subscription);
    return subscription;
  }

  inbox(options: unknown): FakeSubscription {
    return this.topic('user.ada', options);
  }

  get open(): FakeSubscription[] {
    return this.subscriptions.filter(({ closed }) => !closed);
  }

  get only(): FakeSubscription {
    expect(this.open).toHaveLength(1);
    return this.open[0]!;
  }

  setState(state: ConnectionState): void {
    this.state = state;
    this.emit('state', state);
  }
}

/** Frames happen when the test says so. */
class ManualScheduler implements FrameScheduler {
  readonly #tasks = new Set<() => void>();

  schedule(task: () => void): () => void {
    this.#tasks.add(task);
    return () => this.#tasks.delete(task);
  }

  frame(): void {
    const tasks = [...this.#tasks];
    this.#tasks.clear();
    for (const task of tasks) task();
  }
}

const event = (offset: number): MillraceEvent => ({
  topic: 'task.a',
  event: 'task.progress',
  id: `id-${offset}`,
  offset,
  epoch: 'e',
  timestamp: '2026-11-20T12:00:00.000Z',
  data: { offset },
});

let client: FakeClient;
let scheduler: ManualScheduler;
let root: Root;

beforeEach(() => {
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true);
  client = new FakeClient();
  scheduler = new ManualScheduler();
  root = createRoot(document.createElement('div'));
});

afterEach(() => {
  act(() => root.unmount());
  expect(client.open).toHaveLength(0);
  vi.unstubAllGlobals();
});

function render(children: ReactNode): void {
  // The fake has what the hooks use of a client.
  const fake = client as unknown as MillraceProviderProps['client'];
  act(() =>
    root.render(
      <MillraceProvider client={fake} scheduler={scheduler}>
        {children}
      </MillraceProvider>,
    ),
  );
}

/** Renders a component that calls `useHook`, and gives what it returned at each render. */
function renderHook<Result>(useHook: () => Result): {
  results: Result[];
  last: () => Result;
  again: () => void;
} {
  const results: Result[] = [];
  function Probe(): ReactNode {
    results.push(useHook());
    return null;
  }
  render(<Probe />);
  return { results, last: () => results.at(-1)!, again: () => render(<Probe />) };
}

function send(subscription: FakeSubscription, from: number, to: number): void {
  for (let offset = from; offset <= to; offset++) subscription.emit('event', event(offset));
}

const frame = (): void => act(() => scheduler.frame());
const offsets = ({ events }: TopicSnapshot): number[] => events.map(({ offset }) => offset);

test('useConnectionState follows the client', () => {
  const { last } = renderHook(useConnectionState);
  expect(last()).toBe('connecting');
  act(() => client.setState('connected'));
  expect(last()).toBe('connected');
});

test('useTopic renders once a frame, with all events of that frame in order', () => {
  const { results, last } = renderHook(() => useTopic('task.a', { since: 'earliest' }));
  const before = results.length;
  send(client.only, 1, 100);
  expect(results).toHaveLength(before);
  frame();
  expect(results).toHaveLength(before + 1);
  expect(offsets(last())).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
});

test('useTopic keeps the newest events and counts all', () => {
  const { last } = renderHook(() => useTopic('task.a', { maxEvents: 3 }));
  send(client.only, 1, 2);
  frame();
  expect(offsets(last())).toEqual([1, 2]);
  send(client.only, 3, 4);
  frame();
  expect(offsets(last())).toEqual([2, 3, 4]);
  send(client.only, 5, 50);
  frame();
  expect(offsets(last())).toEqual([48, 49, 50]);
  expect(last().received).toBe(50);
});

test('useTopic passes its options on, and a literal that says the same does not subscribe anew', () => {
  let least = 10;
  const { again } = renderHook(() =>
    useTopic('task.a', { since: { last: 5 }, filter: { minAmount: least }, batch: true, slow: 'conflate' }),
  );
  again();
  expect(client.subscriptions).toHaveLength(1);
  const options = { since: { last: 5 }, batch: true, slow: 'conflate' };
  expect(client.only.options).toEqual({ ...options, filter: { minAmount: 10 } });
  least = 20;
  again();
  expect(client.only.options).toEqual({ ...options, filter: { minAmount: 20 } });
});

test('useTopic leaves the old topic when it is given another', () => {
  let topic = 'task.a';
  const { last, again } = renderHook(() => useTopic(topic));
  send(client.only, 1, 1);
  frame();
  topic = 'task.b';
  again();
  expect(client.only.topic).toBe('task.b');
  expect(last().events).toEqual([]);
});

test('useTopic tells of a gap, and of the seal after the last events', () => {
  const { last } = renderHook(() => useTopic('task.a'));
  expect(last().phase).toBe('opening');
  act(() => client.only.emit('subscribed', { topic: 'task.a' }));
  expect(last().phase).toBe('open');
  act(() => client.only.emit('gap', { topic: 'task.a', reason: 'expired' }));
  expect(last().gap?.reason).toBe('expired');
  send(client.only, 1, 2);
  act(() => client.only.emit('sealed', { topic: 'task.a' }));
  expect(last().phase).toBe('sealed');
  expect(offsets(last())).toEqual([1, 2]);
});

test('useTopic tells why it was refused', () => {
  const { last } = renderHook(() => useTopic('task.a'));
  const error = new MillraceError('forbidden', 'no');
  act(() => client.only.emit('error', error));
  expect(last()).toMatchObject({ phase: 'failed', error });
});

test('a subscription survives strict mode once', () => {
  const seen: TopicSnapshot[] = [];
  function Probe(): ReactNode {
    seen.push(useTopic('task.a'));
    return null;
  }
  render(
    <StrictMode>
      <Probe />
    </StrictMode>,
  );
  send(client.only, 1, 1);
  frame();
  expect(offsets(seen.at(-1)!)).toEqual([1]);
});

test('useLatest reads the newest stored event of a topic, and of a pattern what comes', () => {
  const { last } = renderHook(() => useLatest('task.a'));
  expect(client.only.options).toEqual({ since: { last: 1 } });
  send(client.only, 7, 9);
  frame();
  expect(last()?.offset).toBe(9);
  renderHook(() => useLatest('task.*'));
  expect(client.only.options).toEqual({ since: undefined });
});

test('useEventBatches hands over every event once and keeps none', () => {
  const batches: number[][] = [];
  const statuses: FeedStatus[] = [];
  let opened = 0;
  renderHook(() => {
    statuses.push(
      useEventBatches('task.a', {
        since: 'earliest',
        onOpen: () => opened++,
        onBatch: (events) => batches.push(events.map(({ offset }) => offset)),
      }),
    );
  });
  send(client.only, 1, 3);
  frame();
  send(client.only, 4, 4);
  frame();
  frame();
  expect(batches).toEqual([[1, 2, 3], [4]]);
  expect(opened).toBe(1);
  act(() => client.only.emit('lag', { behind: 12 }));
  expect(statuses.at(-1)?.behind).toBe(12);
});

test('useInbox shows what is to be acknowledged; what is, here or on another device, is gone', () => {
  const { last } = renderHook(() => useInbox());
  const acked: number[] = [];
  const message = (offset: number): Message => ({ ...event(offset), ack: () => acked.push(offset) });
  act(() => client.only.emit('subscribed', { topic: 'user.ada' }));
  for (let offset = 1; offset <= 4; offset++) client.only.emit('message', message(offset));
  frame();
  const shown = (): number[] => last().messages.map(({ offset }) => offset);
  expect(shown()).toEqual([1, 2, 3, 4]);
  expect(last().phase).toBe('open');
  act(() => last().messages[2]?.ack());
  expect(shown()).toEqual([1, 2, 4]);
  expect(acked).toEqual([3]);
  client.only.emit('message', message(5));
  act(() => client.only.emit('acknowledged', { topic: 'user.ada', offset: 2 }));
  expect(shown()).toEqual([4, 5]);
});

/** Changes its state in place, as a view may. */
const counting = {
  name: 'count',
  version: 1,
  holdsLog: false,
  initial: () => ({ count: 0 }),
  fold: (state: { count: number }) => state,
};

test('useView renders the newest state once a frame, as another object', () => {
  const { results, last } = renderHook(() => useView('task.a', counting));
  expect(last()).toEqual({ state: undefined, phase: 'opening', error: undefined });
  const state = { count: 1 };
  client.only.emit('change', state);
  state.count = 2;
  client.only.emit('change', state);
  frame();
  expect(last()).toEqual({ state: { count: 2 }, phase: 'open', error: undefined });
  state.count = 3;
  act(() => {
    client.only.emit('change', state);
    client.only.emit('sealed', {});
  });
  expect(last()).toMatchObject({ state: { count: 3 }, phase: 'sealed' });
  expect(new Set(results.map((snapshot) => snapshot.state)).size).toBe(3);
});

test('useView shares what several look at, as long as one does', () => {
  const { last } = renderHook(() => [useView('task.a', counting), useView('task.a', counting)]);
  client.only.emit('change', { count: 1 });
  frame();
  expect(last()[0]!.state).toEqual({ count: 1 });
  expect(last()[0]).toBe(last()[1]);
  render(null);
  expect(client.open).toHaveLength(0);
  const again = renderHook(() => useView('task.a', counting));
  expect(again.last().phase).toBe('opening');
  expect(client.subscriptions).toHaveLength(2);
});

test('useView tells why it failed, and keeps the state', () => {
  const { last } = renderHook(() => useView('task.a', counting));
  const error = new MillraceError('forbidden', 'no');
  act(() => {
    client.only.emit('change', { count: 1 });
    client.only.emit('error', error);
  });
  expect(last()).toEqual({ state: { count: 1 }, phase: 'failed', error });
});

test('a hook outside of a provider says what to do', () => {
  const errors = vi.spyOn(console, 'error').mockImplementation(() => {});
  const Probe = (): ReactNode => {
    useMillrace();
    return null;
  };
  expect(() => act(() => root.render(<Probe />))).toThrow('<MillraceProvider');
  errors.mockRestore();
});
