import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EventFamily, eventFamily, eventType } from '@millrace/catalog';
import { ApiClient, TestServer } from '@millrace/testkit';
import Type from 'typebox';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigError, loadConfig, resolveConfig } from './config.ts';
import { catalogOf } from './families-config.ts';

const shipped = eventType({
  name: 'order.shipped',
  description: 'An order left the house.',
  data: Type.Object({ order_id: Type.String(), parcels: Type.Integer({ minimum: 1 }) }),
  example: { order_id: '17', parcels: 2 },
});

const orders = eventFamily({
  name: 'order',
  description: 'Orders.',
  topics: ['orders.*'],
  events: [shipped],
});

function problemsOf(families: readonly unknown[]): readonly string[] {
  try {
    resolveConfig({ families: families as EventFamily[] });
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('families of a configuration', () => {
  test.each([
    [
      'an unknown key of a family',
      [{ ...orders, topic: 'orders.*' }],
      'families[0].topic is not an option; did you mean "topics"?',
    ],
    [
      'an unknown key of an event',
      [{ ...orders, events: [{ ...shipped, schema: {} }] }],
      'families[0].events[0].schema is not an option',
    ],
    ['no events', [{ ...orders, events: [] }], 'families[0].events must not have fewer than 1 items'],
    ['a missing description', [{ ...orders, description: undefined }], 'families[0].description'],
    ['a topic that is none', [{ ...orders, topics: ['orders.**'] }], 'families[0].topics[0] "orders.**"'],
    [
      'the name of a family that comes with Millrace',
      [{ ...orders, name: 'task' }],
      'families[0].name "task" is taken by the family "task" that comes with Millrace',
    ],
    [
      'the name of an event that comes with Millrace',
      [{ ...orders, events: [{ ...shipped, name: 'task.progress' }] }],
      'families[0].events[0].name "task.progress" is taken by the family "task" that comes with Millrace',
    ],
    [
      'the same family twice',
      [orders, { ...orders, events: [{ ...shipped, name: 'order.lost' }] }],
      'families[1].name "order" is taken by families[0]',
    ],
    [
      'the same event twice',
      [orders, { ...orders, name: 'parcel' }],
      'families[1].events[0].name "order.shipped" is taken by families[0].events[0]',
    ],
    [
      'an example that breaks its schema',
      [{ ...orders, events: [{ ...shipped, example: { order_id: '17', parcels: 0 } }] }],
      'families[0].events[0].example does not meet its schema: "/example/parcels" must be >= 1',
    ],
    [
      'a schema with an expression that is none',
      [{ ...orders, events: [{ ...shipped, data: { pattern: '(' } }] }],
      'families[0].events[0].data cannot be used as a schema: Invalid regular expression',
    ],
    [
      'a view that cannot fold',
      [{ ...orders, view: { name: 'v', version: 1, holdsLog: false, initial: 1, fold: () => {} } }],
      'families[0].view.initial must be a function',
    ],
    [
      'an earlier version that cannot be read as the next',
      [{ ...orders, events: [{ ...shipped, earlier: [{ data: {}, upcast: 'x' }] }] }],
      'families[0].events[0].earlier[0].upcast must be a function',
    ],
  ])('with %s are refused, and where it is is said', (_what, families, problem) => {
    expect(problemsOf(families)).toEqual([expect.stringContaining(problem)]);
  });

  test('come before those of Millrace: of two that match a topic, theirs has the view', () => {
    const view = {
      name: 'own',
      version: 1,
      holdsLog: false,
      initial: () => 0,
      fold: (state: number) => state,
    };
    const catalog = catalogOf(resolveConfig({ families: [{ ...orders, topics: ['task.*'], view }] }));
    expect(catalog.viewOf('task.a')).toBe(view);
    expect(catalog.has('order.shipped') && catalog.has('task.progress')).toBe(true);
  });
});

describe('families of a configuration file', () => {
  let cwd: string;
  beforeEach(() => {
    cwd = mkdtempSync(join(tmpdir(), 'millrace-families-'));
  });
  afterEach(() => rmSync(cwd, { recursive: true }));

  test('are read from millrace.config.ts with their functions', async () => {
    const catalogModule = JSON.stringify(import.meta.resolve('@millrace/catalog'));
    writeFileSync(
      join(cwd, 'millrace.config.ts'),
      `import { earlier, eventFamily, eventType, Type } from ${catalogModule};
      const order: string = 'order.shipped';
      export default { families: [eventFamily({ name: 'order', description: 'Orders.', topics: ['orders.*'], events: [eventType({
        name: order, description: 'Shipped.', data: Type.Object({ id: Type.String() }), example: { id: '1' },
        earlier: [earlier({ data: Type.String(), upcast: (id) => ({ id }) })],
      })] })] };`,
    );
    const catalog = catalogOf(await loadConfig({ cwd, env: {} }));
    expect(catalog.upcast('order.shipped', '7')).toEqual({ id: '7' });
  });

  test('are read from millrace.config.json, as JSON Schema', async () => {
    const events = [{ ...JSON.parse(JSON.stringify(shipped)), earlier: undefined }];
    writeFileSync(join(cwd, 'millrace.config.json'), JSON.stringify({ families: [{ ...orders, events }] }));
    const catalog = catalogOf(await loadConfig({ cwd, env: {} }));
    expect(catalog.check('order.shipped', { order_id: '1', parcels: 0 })).toMatchObject({ path: '/parcels' });
    expect(catalog.upcast('order.shipped', { order_id: '1', parcels: 1 })).toEqual({
      order_id: '1',
      parcels: 1,
    });
  });

  test('with a mistake are refused by the name of the file', async () => {
    writeFileSync(join(cwd, 'millrace.config.json'), JSON.stringify({ families: [{ ...orders, name: 7 }] }));
    await expect(loadConfig({ cwd, env: {} })).rejects.toThrow(
      'millrace.config.json: families[0].name must be string',
    );
  });
});

test('[PUB-8] a server holds events to the families that it was given', async () => {
  const server = await TestServer.start({ families: [orders] });
  try {
    const api = new ApiClient(server.origin, await server.token());
    const publish = (data: unknown) =>
      api.post<{ code?: string; details?: object }>('/api/v1/events', {
        topic: 'orders.17',
        event: 'order.shipped',
        data,
      });
    expect((await publish(shipped.example)).status).toBe(200);
    const refused = await publish({ order_id: '17' });
    expect(refused.status).toBe(422);
    expect(refused.body).toMatchObject({
      code: 'bad-data',
      details: { event: 'order.shipped', path: '/data/parcels' },
    });
    const { body } = await api.get<{ channels: object }>('/asyncapi.json');
    expect(Object.keys(body.channels)).toContain('orders');
    expect((await api.get('/docs/events')).text).toContain('id="order.shipped"');
  } finally {
    await server.close();
  }
});
