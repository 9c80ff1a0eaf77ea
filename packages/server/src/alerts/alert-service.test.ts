import { describe, expect, test } from 'vitest';
import type { AlertRuleConfig } from '../config-schema.ts';
import type { Engine } from '../engine/engine.ts';
import { AlertWorld } from './fixtures/alert-world.ts';

const HARMONY: AlertRuleConfig = {
  name: 'harmony_low',
  topic: 'metrics.*',
  field: 'data.value',
  groupBy: 'data.portal_id',
  below: 0.5,
  resolveAbove: 0.7,
  for: '3s',
  resolveFor: '3s',
  category: 'custom',
  recommendedAction: 'look at it',
};

test('an alert that is too long to be announced is known all the same, and ends', async () => {
  const world = new AlertWorld();
  await world.start([{ ...HARMONY, message: 'x'.repeat(70_000) }]);
  await world.course([0.4, 0.4, 0.4, 0.4]);
  expect(world.errors).toEqual([expect.stringContaining('announcing the alert harmony_low')]);
  expect(world.service?.active()).toHaveLength(1);
  await world.course([0.9, 0.9, 0.9, 0.9]);
  expect(world.service?.active()).toEqual([]);
});

describe('a rule over a field of events', () => {
  test('[ALERT-1] [ALERT-2] announces an incident once when it begins and once when it ends, however the values jump', async () => {
    const world = new AlertWorld();
    await world.start([HARMONY]);
    await world.course([0.9, 0.4, 0.6, 0.3, 0.45]);
    expect(await world.changes()).toEqual(['harmony_low-11 fired']);
    await world.course([0.65, 0.8, 0.4, 0.9, 0.2, 0.9, 0.9]);
    expect(world.service?.active()).toHaveLength(1);
    await world.course([0.9, 0.9, 0.9]);
    expect(await world.changes()).toEqual(['harmony_low-11 fired', 'harmony_low-11 resolved']);
    expect(world.service?.active()).toEqual([]);
    expect(world.errors).toEqual([]);
  });

  test('[ALERT-1] says what was wrong, where, and what it was held to', async () => {
    const world = new AlertWorld();
    await world.start([
      { ...HARMONY, message: '{group} at {topic}: {value} is {side} {threshold}', severity: 'critical' },
    ]);
    await world.course([0.4, 0.41, 0.42, 0.123456789]);
    const [fired] = await world.announced();
    expect(fired).toEqual({
      alert_id: 'harmony_low-11',
      severity: 'critical',
      category: 'custom',
      source: 'harmony_low',
      message: 'p1 at metrics.a: 0.42 is below 0.5',
      affected_portals: ['p1'],
      recommended_action: 'look at it',
      auto_remediation_attempted: false,
      auto_remediation_status: null,
      state: 'firing',
      change: 'fired',
      revision: 1,
      reason: 'threshold',
      value: 0.42,
      threshold: 0.5,
      topic: 'metrics.a',
      fired_at: '2026-01-01T00:00:03.000Z',
    });
    const [stored] = await world.log('default', 'system.alerts');
    expect(stored).toMatchObject({ key: 'harmony_low-11', event: 'system_alert', priority: 'critical' });
  });

  test('a value that stays wrong fires without another event', async () => {
    const world = new AlertWorld();
    await world.start([HARMONY]);
    await world.tell(0.1);
    await world.pass(2000);
    expect(await world.changes()).toEqual([]);
    await world.pass(1000);
    expect(await world.changes()).toEqual(['harmony_low-11 fired']);
  });

  test('groups have incidents of their own', async () => {
    const world = new AlertWorld();
    await world.start([{ ...HARMONY, for: '1ms' }]);
    for (const portal of ['p1', 'p2', 'p3']) await world.tell(0.1, { portal });
    await world.pass(1000);
    expect((await world.announced()).map(({ affected_portals }) => affected_portals)).toEqual([
      ['p1'],
      ['p2'],
      ['p3'],
    ]);
  });

  test('a rule watches as many groups as it may: those that are well make room, those that fire do not', async () => {
    const world = new AlertWorld();
    const service = await world.start([{ ...HARMONY, for: '1ms', maxGroups: 2 }]);
    await world.tell(0.1, { portal: 'bad' });
    await world.pass(1000);
    await world.tell(0.9, { portal: 'well' });
    await world.tell(0.1, { portal: 'late' });
    await world.pass(1000);
    await world.tell(0.1, { portal: 'too much' });
    await world.pass(1000);
    expect(service.active().map(({ affected_portals: [portal] }) => portal)).toEqual(['bad', 'late']);
    await world.tell(0.1, { portal: 'too much' });
    expect(service.counters.valuesRefused).toBe(2);
    expect(world.errors).toEqual([
      'watching the entity "default" for alerts: the rule "harmony_low" has more than 2 groups that fire or are new (maxGroups)',
    ]);
  });

  test.each([['a text'], [null], [true], [{ value: 1 }]])(
    '%j is no value and tells nothing',
    async (value) => {
      const world = new AlertWorld();
      await world.start([{ ...HARMONY, for: '1ms' }]);
      await world.tell(value);
      await world.pass(2000);
      expect(await world.changes()).toEqual([]);
      expect(world.errors).toEqual([]);
    },
  );

  test('it hears only the events that it names', async () => {
    const world = new AlertWorld();
    await world.start([{ ...HARMONY, event: 'other.*', for: '1ms' }]);
    await world.tell(0.1);
    await world.tell(0.1, { topic: 'elsewhere.a' });
    await world.pass(2000);
    expect(await world.changes()).toEqual([]);
  });
});

describe('when nothing is heard any more', () => {
  const silent = (missing: 'keep' | 'resolve' | 'fire'): AlertRuleConfig => ({
    ...HARMONY,
    missing,
    missingAfter: '5s',
  });

  test('"keep" leaves the alert as it is', async () => {
    const world = new AlertWorld();
    await world.start([silent('keep')]);
    await world.course([0.1, 0.1, 0.1, 0.1]);
    await world.pass(20_000);
    expect(await world.changes()).toEqual(['harmony_low-11 fired']);
  });

  test('"resolve" ends it, and says why', async () => {
    const world = new AlertWorld();
    await world.start([silent('resolve')]);
    await world.course([0.1, 0.1, 0.1, 0.1]);
    await world.pass(20_000);
    expect(await world.changes()).toEqual(['harmony_low-11 fired', 'harmony_low-11 resolved']);
    expect((await world.announced())[1]).toMatchObject({ resolve_reason: 'no-data' });
    expect((await world.announced())[1]).not.toHaveProperty('resolved_value');
  });

  test('"fire" raises one, and what is heard again ends it', async () => {
    const world = new AlertWorld();
    await world.start([silent('fire')]);
    await world.tell(0.9);
    await world.pass(5000);
    expect((await world.announced())[0]).toMatchObject({
      reason: 'no-data',
      message: 'data.value of p1 has not been heard of for 5 s',
    });
    await world.course([0.9, 0.9, 0.9, 0.9]);
    expect(await world.changes()).toEqual(['harmony_low-11 fired', 'harmony_low-11 resolved']);
    expect((await world.announced())[1]).toMatchObject({ resolve_reason: 'recovered', resolved_value: 0.9 });
  });

  test('a rule without groups misses also what was never heard of', async () => {
    const world = new AlertWorld();
    const { groupBy: _, ...alone } = silent('fire');
    await world.start([alone]);
    await world.pass(6000);
    expect(await world.changes()).toEqual(['harmony_low-11 fired']);
  });
});

describe('entities', () => {
  test('a rule hears its own entity alone', async () => {
    const world = new AlertWorld();
    await world.start([{ ...HARMONY, entity: 'acme', for: '1ms' }]);
    await world.tell(0.1);
    await world.tell(0.1, { entity: 'acme' });
    await world.pass(1000);
    expect([await world.changes(), await world.changes('acme')]).toEqual([[], ['harmony_low-11 fired']]);
  });

  test('one for all hears those that there are and those that come, up to the bound, each alert in its own', async () => {
    const world = new AlertWorld();
    await world.tell(0.9, { entity: 'one' });
    await world.start([{ ...HARMONY, entity: '*', for: '1ms' }]);
    for (const entity of ['two', 'three', 'four']) await world.tell(0.9, { entity });
    await world.pass(5000);
    for (const entity of ['one', 'two', 'three', 'four']) await world.tell(0.1, { entity });
    await world.pass(1000);
    const counts = [];
    for (const entity of ['one', 'two', 'three', 'four', '$system']) {
      counts.push((await world.changes(entity)).length);
    }
    expect(counts).toEqual([1, 1, 1, 0, 0]);
    expect(world.errors).toEqual([
      'looking for entities: there are more than 3 entities; the others are left alone',
    ]);
  });
});

test('a rule over a figure of the server fires in the entity of its operator', async () => {
  const world = new AlertWorld();
  await world.start([{ name: 'latency_high', for: '2s', resolveFor: '2s' }]);
  world.figures.latency_high = 1200;
  await world.pass(5000);
  expect(await world.announced()).toMatchObject([
    {
      source: 'latency_high',
      severity: 'critical',
      message: 'events reach clients 1200 ms late (p99), over 1000 ms',
    },
  ]);
  world.figures.latency_high = 30;
  await world.pass(5000);
  expect(await world.changes()).toEqual(['latency_high-11 fired', 'latency_high-11 resolved']);
});

describe('acknowledging', () => {
  test('[ALERT-5] is announced once, with who did it first, and found for alerts that fire alone', async () => {
    const world = new AlertWorld();
    const service = await world.start([{ ...HARMONY, for: '1ms' }]);
    await world.tell(0.1);
    await world.pass(1000);
    expect(await service.acknowledge('default', 'harmony_low-11', 'ann')).toMatchObject({
      acknowledged_by: 'ann',
    });
    expect(await service.acknowledge('default', 'harmony_low-11', 'bob')).toMatchObject({
      acknowledged_by: 'ann',
    });
    await expect(service.acknowledge('acme', 'harmony_low-11', 'eve')).rejects.toMatchObject({
      code: 'not-found',
    });
    await expect(service.acknowledge('default', 'nothing', 'ann')).rejects.toMatchObject({
      code: 'not-found',
    });
    await world.course([0.9, 0.9, 0.9, 0.9]);
    await expect(service.acknowledge('default', 'harmony_low-11', 'ann')).rejects.toMatchObject({
      code: 'not-found',
    });
    expect((await world.changes()).map((change) => change.split(' ')[1])).toEqual([
      'fired',
      'acknowledged',
      'resolved',
    ]);
    expect((await world.announced())[2]).toMatchObject({ acknowledged_by: 'ann', state: 'resolved' });
  });
});

describe('another life of the server', () => {
  test('[ALERT-3] goes on with an incident: it is neither announced again nor forgotten', async () => {
    const world = new AlertWorld();
    const first = await world.start([HARMONY]);
    await world.course([0.1, 0.1, 0.1, 0.1]);
    await first.close();
    const service = await world.start([HARMONY]);
    expect(service.active()).toMatchObject([{ alert_id: 'harmony_low-11' }]);
    await world.course([0.1, 0.1, 0.1, 0.1, 0.1]);
    expect(await world.changes()).toEqual(['harmony_low-11 fired']);
  });

  test('ends it when the value is right again, or has been right for long', async () => {
    const world = new AlertWorld();
    const first = await world.start([HARMONY]);
    await world.course([0.1, 0.1, 0.1, 0.1, 0.9]);
    await first.close();
    await world.start([HARMONY]);
    await world.course([0.9, 0.9]);
    expect(await world.changes()).toEqual(['harmony_low-11 fired']);
    await world.course([0.9]);
    expect(await world.changes()).toEqual(['harmony_low-11 fired', 'harmony_low-11 resolved']);
  });

  test.each([
    ['is gone', []],
    ['is switched off', [{ ...HARMONY, enabled: false }]],
    ['watches another entity', [{ ...HARMONY, entity: 'acme' }]],
  ] as [string, AlertRuleConfig[]][])('ends incidents whose rule %s', async (_why, rules) => {
    const world = new AlertWorld();
    const first = await world.start([HARMONY]);
    await world.course([0.1, 0.1, 0.1, 0.1]);
    await first.close();
    await world.start(rules);
    expect(await world.changes()).toEqual(['harmony_low-11 fired', 'harmony_low-11 resolved']);
    expect((await world.announced())[1]).toMatchObject({ resolve_reason: 'rule-removed' });
  });

  test('knows the incidents of a long life, of which most are over, from a short record', async () => {
    const world = new AlertWorld();
    const first = await world.start([{ ...HARMONY, for: '1ms', resolveFor: '1ms' }]);
    await world.tell(0.1, { portal: 'open' });
    for (let i = 0; i < 300; i++) {
      await world.tell(0.1);
      await world.pass(1000);
      await world.tell(0.9);
      await world.pass(1000);
    }
    expect((await world.log('$system', 'alert-state.incidents')).length).toBeLessThan(1100);
    await first.close();
    const second = await world.start([{ ...HARMONY, for: '1ms' }]);
    expect(second.active()).toMatchObject([{ affected_portals: ['open'] }]);
    expect(world.errors).toEqual([]);
  });
});

describe('a log that fails', () => {
  /** Refuses appends to a topic while `fails` says so. */
  function failing(topic: string, state: { fails: boolean }): (engine: Engine) => Engine {
    return (engine) =>
      new Proxy(engine, {
        get: (target, name) => {
          const value = Reflect.get(target, name) as unknown;
          if (name !== 'append') return typeof value === 'function' ? value.bind(target) : value;
          return (requests: Parameters<Engine['append']>[0]) =>
            state.fails && requests.some((request) => request.topic === topic)
              ? Promise.resolve(
                  requests.map(() => ({ status: 'failed', code: 'unavailable', message: 'no' })),
                )
              : target.append(requests);
        },
      });
  }

  test.each(['alert-state.incidents', 'system.alerts'])(
    'of which %s takes nothing for a while delays an alert and loses none',
    async (topic) => {
      const state = { fails: true };
      const world = new AlertWorld(failing(topic, state));
      await world.start([{ ...HARMONY, for: '1ms' }]);
      await world.tell(0.1);
      await world.pass(10_000);
      expect(await world.changes()).toEqual([]);
      state.fails = false;
      await world.pass(30_000);
      expect(await world.changes()).toEqual(['harmony_low-11 fired']);
      await world.course([0.9, 0.9, 0.9, 0.9]);
      expect(await world.changes()).toEqual(['harmony_low-11 fired', 'harmony_low-11 resolved']);
      expect(world.errors).toEqual(['storing an alert: no']);
    },
  );

  test('does not keep the server from starting', async () => {
    const state = { fails: false };
    const world = new AlertWorld(failing('system.alerts', state));
    const first = await world.start([{ ...HARMONY, for: '1ms' }]);
    await world.tell(0.1);
    await world.pass(1000);
    await first.close();
    state.fails = true;
    const second = await world.start([]);
    expect(await world.changes()).toEqual(['harmony_low-11 fired']);
    state.fails = false;
    await world.pass(1000);
    expect(await world.changes()).toEqual(['harmony_low-11 fired', 'harmony_low-11 resolved']);
    expect(second.active()).toEqual([]);
  });

  test('a figure that cannot be read is reported once', async () => {
    const world = new AlertWorld();
    await world.start([{ name: 'latency_high' }]);
    Object.defineProperty(world.figures, 'latency_high', {
      get: () => {
        throw new Error('unreadable');
      },
    });
    await world.pass(5000);
    expect(world.errors).toEqual(['reading latency_p99_ms: unreadable']);
  });

  test('a life that ended between storing and announcing is made good by the next', async () => {
    const state = { fails: true };
    const world = new AlertWorld(failing('system.alerts', state));
    const first = await world.start([{ ...HARMONY, for: '1ms' }]);
    await world.tell(0.1);
    await world.pass(1000);
    await first.close();
    state.fails = false;
    await world.start([HARMONY]);
    expect(await world.changes()).toEqual(['harmony_low-11 fired']);
  });
});
