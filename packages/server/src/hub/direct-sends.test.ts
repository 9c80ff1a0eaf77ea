import { BROADCAST_TOPIC, inboxOf } from '@millrace/protocol';
import { TestServer } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HubWorld } from './fixtures/hub-world.ts';

describe('[SEND-6] a direct send', () => {
  test('reaches the sessions it is for without a subscription, once', async () => {
    const world = new HubWorld();
    const alice = await world.session({ direct: ['user.alice', 'session.1'] });
    const alsoAlice = await world.session({ direct: ['user.alice', 'session.2'] });
    const bob = await world.session({ direct: ['user.bob', 'session.3'] });
    await alsoAlice.subscribe('user.alice');
    await bob.subscribe('*');
    await world.publish('user.alice', 'to alice');
    await world.publish('session.2', 'to the second');
    await world.publish(BROADCAST_TOPIC, 'to all');
    expect(alice.takeData()).toEqual(['to alice', 'to all']);
    expect(alsoAlice.takeData()).toEqual(['to alice', 'to the second', 'to all']);
    expect(bob.takeData()).toEqual(['to all']);
  });

  test('waits in the log for a session that reads slowly', async () => {
    const world = new HubWorld({ maxBytesInFlight: 300 });
    const session = await world.session({ direct: ['user.alice'] });
    session.stall();
    for (let n = 1; n <= 30; n++) {
      await world.publish(BROADCAST_TOPIC, n);
      await world.publish('user.alice', -n);
    }
    await session.read();
    await world.publish(BROADCAST_TOPIC, 31);
    const data = session.takeData() as number[];
    expect(data.filter((n) => n > 0)).toEqual(Array.from({ length: 31 }, (_, i) => i + 1));
    expect(data.filter((n) => n < 0)).toEqual(Array.from({ length: 30 }, (_, i) => -i - 1));
  });

  test('is no subscription that could be given up, also while it waits in the log', async () => {
    const world = new HubWorld({ maxBytesInFlight: 300 });
    const session = await world.session({ direct: ['user.alice'] });
    session.stall();
    for (let n = 1; n <= 10; n++) await world.publish('user.alice', n);
    expect(world.hub.unsubscribe(session.subscriber, 'user.alice')).toBe(false);
    await session.read();
    expect(session.takeData()).toEqual(Array.from({ length: 10 }, (_, i) => i + 1));
  });

  test('no longer reaches a session that has gone', async () => {
    const world = new HubWorld();
    const session = await world.session({ direct: ['user.alice'] });
    await world.publish('user.alice', 1);
    world.hub.detach(session.subscriber);
    await world.publish('user.alice', 2);
    await world.publish(BROADCAST_TOPIC, 3);
    expect(session.takeData()).toEqual([1]);
  });
});

describe('[SEND-6] at every door', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start();
  });
  afterAll(() => server.close());

  test('a broadcast and a direct send arrive without a subscription', async () => {
    const entity = 'direct';
    const native = await server.connect('/ws', { entity, sub: 'ann' });
    const bare = await server.connect('/ws/some/topic', { entity, sub: 'ann' });
    const stream = await server.stream('/events?topics=some.topic', { entity, sub: 'ann' });
    await native.next('welcome');
    await stream.until(({ blocks }) => blocks.length > 0, 'the first block');
    await server.server.publish(BROADCAST_TOPIC, 'news', { n: 1 }, { entity });
    await server.server.publish(inboxOf('ann'), 'mail', { n: 2 }, { entity });
    expect((await native.take('event', 2)).map(({ data }) => data)).toEqual([{ n: 1 }, { n: 2 }]);
    expect(await bare.next('news' as 'event')).toMatchObject({ n: 1 });
    expect(await bare.next('mail' as 'event')).toMatchObject({ n: 2 });
    expect((await stream.take(2)).map(({ event }) => event)).toEqual(['news', 'mail']);
    native.close();
    bare.close();
    stream.close();
  });
});
