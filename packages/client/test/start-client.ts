import { createClient } from '../src/client.ts';
import type {
  AnyCatalog,
  Client,
  ClientOptions,
  ConnectionState,
  EventOf,
  Subscription,
} from '../src/types.ts';
import { FakePlatform } from './fake-platform.ts';
import { FakeServer } from './fake-server.ts';

export interface Started {
  readonly platform: FakePlatform;
  readonly server: FakeServer;
  readonly client: Client;
  /** Every state since the start, the first one included. */
  readonly states: ConnectionState[];
  /** The code of every `error`. */
  readonly errors: string[];
}

/** A client of a fake server, not connected before the first flush. */
export function startClient(options: Partial<ClientOptions> = {}): Started {
  const platform = new FakePlatform();
  const server = new FakeServer(platform);
  const client = createClient({ url: 'http://server.test/', platform, ...options });
  const states: ConnectionState[] = [client.state];
  const errors: string[] = [];
  client.on('state', (state) => states.push(state));
  client.on('error', ({ code }) => errors.push(code));
  return { platform, server, client, states, errors };
}

/** The data of every event from now on, in order. */
export function collect(subscription: Subscription): unknown[] {
  const data: unknown[] = [];
  subscription.on('event', (event) => data.push(event.data));
  return data;
}

/** Reads `count` events with a loop, without leaving the loop. */
export async function take(
  iterator: AsyncIterator<EventOf<AnyCatalog>, undefined>,
  count: number,
): Promise<unknown[]> {
  const data: unknown[] = [];
  while (data.length < count) {
    const { done, value } = await iterator.next();
    if (done === true) throw new Error(`it ended after ${data.length} events`);
    data.push(value.data);
  }
  return data;
}
