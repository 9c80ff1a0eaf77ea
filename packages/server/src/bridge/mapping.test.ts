import { builtInFamilies, createCatalog } from '@millrace/catalog';
import { describe, expect, test } from 'vitest';
import { resolveConfig } from '../config.ts';
import type { BridgeRuleConfig, ConfigInput } from '../config-schema.ts';
import type { StoredEvent } from '../engine/engine.ts';
import { readBridgeRules } from '../read-bridge-rules.ts';
import { BridgeRules } from './bridge-rule.ts';
import { BUILT_IN_BRIDGE_RULES } from './built-in-bridge-rules.ts';
import { Mapping } from './mapping.ts';

function mapping(bridge: ConfigInput['bridge'], errors: string[] = []) {
  const { rules, problems } = readBridgeRules(resolveConfig({ bridge: bridge ?? {} }).bridge);
  expect(problems).toEqual([]);
  const counters = { taken: 0, failed: 0, tooDeep: 0 };
  const made = new Mapping({
    rules: new BridgeRules(rules),
    maxDepth: 3,
    counters,
    onError: (error, { name }) => errors.push(`${name}: ${(error as Error).message}`),
  });
  return {
    counters,
    of: (event: StoredEvent) =>
      made.of(event).map(({ data, ...rest }) => ({ ...rest, data: JSON.parse(data) as unknown })),
  };
}

const stored = (event: string, data: unknown, more: Partial<StoredEvent> = {}): StoredEvent => ({
  entity: 'default',
  topic: 'agents.a1',
  epoch: 'e',
  offset: 1,
  slot: 'durable',
  partition: 0,
  seq: 1,
  id: 'id1',
  event,
  timestamp: Date.UTC(2026, 10, 20),
  data: JSON.stringify(data),
  source: undefined,
  key: undefined,
  priority: 'normal',
  sealed: false,
  ...more,
});

const TIME = '2026-11-20T00:00:00.000Z';
const builtIn = mapping({ enabled: true });
const made = (event: StoredEvent): Record<string, unknown> =>
  Object.fromEntries(builtIn.of(event).map(({ event: name, data }) => [name, data]));

describe('built-in rules', () => {
  test('[BRIDGE-2] agent.status.changed is an agent_update and an agent_status_change: all rules that match apply', () => {
    expect(
      made(stored('agent.status.changed', { agent_id: 'a1', old_status: 'idle', new_status: 'active' })),
    ).toEqual({
      agent_update: { agent_id: 'a1', status: 'active', change_type: 'agent.status.changed' },
      agent_status_change: {
        agent_id: 'a1',
        old_status: 'idle',
        new_status: 'active',
        timestamp: TIME,
        animation: 'pulse',
      },
    });
  });

  test('a status that is not active fades', () => {
    expect(
      made(stored('agent.status.changed', { agent_id: 'a1', old_status: 'active', new_status: 'idle' })),
    ).toMatchObject({ agent_status_change: { animation: 'fade' } });
  });

  test('[BRIDGE-2] agent_id falls back to agentId, status to new_status', () => {
    const data = { agentId: 'a2', action: 'x', status: 'busy', new_status: 'no' };
    expect(made(stored('agent.action.completed', data))).toEqual({
      agent_update: { agent_id: 'a2', status: 'busy', change_type: 'agent.action.completed' },
    });
    expect(made(stored('agent.x', { agent_id: 7, new_status: 'idle' }))).toEqual({
      agent_update: { agent_id: '7', status: 'idle', change_type: 'agent.x' },
    });
  });

  test('what tells of no agent is no update of one', () => {
    for (const data of [{}, 'text', null, { agent_id: '' }, { agent_id: {} }]) {
      expect(made(stored('agent.x', data))).toEqual({});
    }
  });

  test.each([
    ['project.progress.updated', { project_id: 'p', progress: 4 }, 'project_update'],
    ['system.health.changed', { severity: 'warning', message: 'm' }, 'health_update'],
  ])('%s keeps its data, and says what it was', (event, data, name) => {
    expect(made(stored(event, data))).toEqual({ [name]: { source_event: event, ...data } });
  });

  test('task.assigned is a task_assignment, as it is', () => {
    expect(made(stored('task.assigned', { task_id: 't', assignee: 'ann' }))).toEqual({
      task_assignment: { task_id: 't', assignee: 'ann' },
    });
  });

  test('other events are nothing', () => {
    for (const event of ['agents', 'agent', 'task.progress', 'agent_status']) {
      expect(made(stored(event, { agent_id: 'a' }))).toEqual({});
    }
  });

  test('[BRIDGE-3] what no other rule takes is a generic_update where the configuration names it', () => {
    const { of } = mapping({ generic: ['deploy.*', 'agent.*'] });
    const generic = of(stored('deploy.done', { v: 1 }));
    expect(generic.map(({ event, data }) => [event, data])).toEqual([
      ['generic_update', { source_event: 'deploy.done', v: 1 }],
    ]);
    expect(of(stored('agent.x', { agent_id: 'a' })).map(({ event }) => event)).toEqual(['agent_update']);
  });

  test.each(BUILT_IN_BRIDGE_RULES.map((rule) => rule.name))('%s makes what the catalog knows', (name) => {
    const catalog = createCatalog(builtInFamilies);
    const sources = builtInFamilies.flatMap(({ events }) => [...events]);
    const all = sources.flatMap((type) => builtIn.of(stored(type.name, type.example)));
    const of = all.filter(({ event }) => event === name);
    expect(of).not.toEqual([]);
    for (const { event, data } of of) expect(catalog.check(event, data)).toBeUndefined();
  });

  test('[BRIDGE-1] [BRIDGE-4] go to observers.<namespace of the source>, with its key, and a key of idempotency made of its id', () => {
    expect(builtIn.of(stored('agent.x', { agent_id: 'a' }, { key: 'k' }))[0]).toMatchObject({
      topic: 'observers.agents',
      key: 'k',
      source: 'bridge:1:agent_update',
      idempotencyKey: 'bridge/agent_update/id1',
    });
  });
});

describe('rules of the configuration', () => {
  const one = (rule: Omit<BridgeRuleConfig, 'name' | 'events'>) =>
    mapping({ builtIn: false, rules: [{ name: 'r', events: ['order.*'], ...rule }] });
  const order = stored('order.shipped', { id: 7, who: { name: 'ann' }, status: 'late' }, { topic: 'shop.7' });

  test('rename, with gaps, and leave the data as it is', () => {
    expect(one({ rename: 'seen.{event}.{data.id}', key: '{data.who.name}' }).of(order)).toMatchObject([
      { event: 'seen.order.shipped.7', key: 'ann', data: { id: 7, who: { name: 'ann' }, status: 'late' } },
    ]);
  });

  test('pick fields', () => {
    expect(one({ pick: ['data.id', 'data.who.name', 'data.nothing'] }).of(order)[0]?.data).toEqual({
      id: 7,
      name: 'ann',
    });
  });

  test('map fields: from a field, the first of several, a template, a value, by cases, and in objects', () => {
    const map = {
      type: 'event',
      at: 'timestamp',
      number: ['data.number', 'data.id'],
      text: { template: '{data.who.name} {{is}} {data.status}' },
      fixed: { value: { a: [1] } },
      color: { switch: 'data.status', cases: { late: 'red' }, else: 'green' },
      calm: { switch: 'data.nothing', cases: {}, else: 'green' },
      inner: { fields: { who: 'data.who', nothing: 'data.nothing' } },
    };
    expect(one({ map }).of(order)[0]?.data).toEqual({
      type: 'order.shipped',
      at: TIME,
      number: 7,
      text: 'ann {is} late',
      fixed: { a: [1] },
      color: 'red',
      calm: 'green',
      inner: { who: { name: 'ann' } },
    });
  });

  test('route to a topic whose gaps are segments, whatever is in them', () => {
    const { of } = one({ topic: 'user.{data.who.name}' });
    expect(of(order)[0]?.topic).toBe('user.ann');
    expect(of(stored('order.x', { who: { name: 'a.b/*' } }))[0]?.topic).toBe('user.a_2eb_2f_2a');
    // Refused where it is published.
    expect(of(stored('order.x', {}))[0]?.topic).toBe('user.');
  });

  test('take events of the topics that they name, and nothing private by a wildcard', () => {
    expect(one({ topics: ['other.*'] }).of(order)).toEqual([]);
    expect(one({}).of(stored('order.x', {}, { topic: 'user.ann' }))).toEqual([]);
    expect(one({ topics: ['user.ann'] }).of(stored('order.x', {}, { topic: 'user.ann' }))).toHaveLength(1);
  });

  test('a function makes what it likes: nothing, one event or several', () => {
    const { of } = one({
      topic: 'out.{data.id}',
      apply: ({ data }) => {
        const { id } = data as { id?: number };
        if (id === undefined) return undefined;
        return [
          { event: 'a', data: id },
          { event: 'b', data: null, topic: 'else.where', key: 'k' },
        ];
      },
    });
    expect(of(order)).toMatchObject([
      { topic: 'out.7', event: 'a', data: 7, idempotencyKey: 'bridge/r/id1' },
      { topic: 'else.where', event: 'b', data: null, key: 'k', idempotencyKey: 'bridge/r/id1/1' },
    ]);
    expect(of(stored('order.x', {}))).toEqual([]);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('mine');
      },
      'mine',
    ],
    ['makes no event', () => ({ data: 1 }), 'what it made has no name: "event"'],
    [
      'makes no data',
      () => ({ event: 'x', data: undefined }),
      'what it made has no data that JSON could say',
    ],
  ])('a function that %s is reported once, and others go on', (_what, apply, problem) => {
    const errors: string[] = [];
    const rules = [
      { name: 'bad', events: ['order.*'], apply: apply as never },
      { name: 'good', events: ['order.*'] },
    ];
    const { of, counters } = mapping({ builtIn: false, rules }, errors);
    expect(of(order)).toHaveLength(1);
    expect(of(order)).toHaveLength(1);
    expect(errors).toEqual([`bad: ${problem}`]);
    expect(counters.failed).toBe(2);
  });

  test('[BRIDGE-5] what rules made is taken by those alone that ask for it, and not for ever', () => {
    const { of, counters } = mapping({
      builtIn: false,
      rules: [
        { name: 'shy', events: ['order.*'] },
        { name: 'loop', events: ['order.*'], mapped: true },
      ],
    });
    expect(of(order).map(({ source }) => source)).toEqual(['bridge:1:shy', 'bridge:1:loop']);
    expect(of({ ...order, source: 'bridge:1:shy' }).map(({ source }) => source)).toEqual(['bridge:2:loop']);
    expect(of({ ...order, source: 'bridge:3:loop' })).toEqual([]);
    expect(counters.tooDeep).toBe(1);
  });

  test.each([
    [{ topics: ['a..b'] }, 'has the topic "a..b", which has an empty segment'],
    [{ topic: '{data.x}.y' }, 'has a topic whose first segment is a gap'],
    [{ topic: 'a{data.x}.y' }, 'has a topic whose first segment is a gap'],
    [{ map: { a: 'nothing' } }, 'has "nothing", which is not a field of an event'],
    [{ map: { a: 7 } }, 'has 7 where a field'],
    [{ map: { a: {} } }, 'has {}, which has none of template'],
    [{ map: { a: { switch: 'event' } } }, 'has a switch without cases'],
    [{ rename: '{x' }, 'has a template that has a brace at character 1'],
    [{ apply: 7 }, 'has an "apply" that is no function'],
    [{ apply: () => undefined, rename: 'x' }, 'has "apply" beside'],
  ] as [object, string][])('%j is refused: %s', (rule, problem) => {
    expect(() => resolveConfig({ bridge: { rules: [{ name: 'r', events: ['a'], ...rule }] } })).toThrow(
      `the bridge rule "r" ${problem}`,
    );
  });

  test('a name that is taken is refused, a built-in one too', () => {
    const rule = { name: 'agent_update', events: ['a'] };
    expect(() => resolveConfig({ bridge: { rules: [rule] } })).toThrow(
      'there are two bridge rules "agent_update"',
    );
    expect(resolveConfig({ bridge: { builtIn: false, rules: [rule] } }).bridge.rules).toEqual([rule]);
  });
});
