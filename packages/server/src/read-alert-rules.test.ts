import { describe, expect, test } from 'vitest';
import { BUILT_IN_RULES } from './alerts/built-in-rules.ts';
import { ConfigError, resolveConfig } from './config.ts';
import type { AlertRuleConfig } from './config-schema.ts';
import { readAlertRules } from './read-alert-rules.ts';

const RULE: AlertRuleConfig = { name: 'low', topic: 'metrics.*', field: 'data.value', below: 1 };
const read = (...rules: AlertRuleConfig[]) => readAlertRules(rules, 'default');

describe('built-in rules', () => {
  test('are there unless they are switched off', () => {
    const names = BUILT_IN_RULES.map(({ name }) => name);
    expect(names).toEqual([
      'latency_high',
      'latency_degraded',
      'connection_drop_high',
      'excessive_subscriptions',
    ]);
    expect(read().problems).toEqual([]);
    expect(read().rules.map(({ name }) => name)).toEqual(names);
    expect(read(...names.map((name) => ({ name, enabled: false }))).rules).toEqual([]);
  });

  test('latency over 1,000 ms is critical, and a rule of that name changes what it says alone', () => {
    expect(read().rules[0]).toMatchObject({ name: 'latency_high', above: 1000, severity: 'critical' });
    expect(read({ name: 'latency_high', above: 700, for: '1m' }).rules[0]).toMatchObject({
      name: 'latency_high',
      above: 700,
      resolveBelow: 500,
      forMs: 60_000,
      watch: { kind: 'figure', figure: 'latency_p99_ms' },
    });
  });
});

test('what a rule leaves out has a default', () => {
  expect(read(RULE).rules.at(-1)).toMatchObject({
    entity: 'default',
    forMs: 0,
    resolveForMs: 30_000,
    missing: 'keep',
    missingAfterMs: 60_000,
    severity: 'warning',
    category: 'custom',
    recommendedAction: '',
    maxGroups: 100,
    remediation: undefined,
  });
});

test.each([
  [{ name: 'x' }, 'needs "above" or "below"'],
  [{ name: 'x', above: 1 }, 'needs a "topic" and a "field", or a "metric"'],
  [{ ...RULE, topic: 'a..b' }, 'has a "topic" that has an empty segment at character 3'],
  [{ ...RULE, field: 'value' }, 'has a "field" that is not a field of an event'],
  [{ ...RULE, groupBy: 'data.__proto__' }, 'has a "groupBy" that is not a field path'],
  [{ ...RULE, per: '1m' }, 'has "per", which is for a "metric"'],
  [{ ...RULE, metric: 'x' }, 'has "topic" beside "metric"'],
  [{ ...RULE, above: 0.5 }, 'has "below" over "above"'],
  [{ ...RULE, resolveAbove: 0.5 }, 'has a "resolveAbove" that is not at or above "below"'],
  [{ ...RULE, resolveBelow: 0.5 }, 'has a "resolveBelow" that is not at or below "above"'],
  [{ ...RULE, message: '{valu}' }, 'has a "message" with {valu}'],
  [{ ...RULE, message: '{value' }, 'has a "message" that has a brace at character 1'],
  [{ ...RULE, entity: '$system' }, 'has an "entity" that is the server’s own'],
  [{ name: 'x', metric: 'm', above: 1, entity: '*' }, 'belongs to no entity'],
  [{ ...RULE, remediation: {} }, 'needs either "command" or "url"'],
  [{ ...RULE, remediation: { command: ['a'], url: 'http://b' } }, 'needs either "command" or "url"'],
] as [AlertRuleConfig, string][])('%j is refused: %s', (rule, problem) => {
  expect(() => resolveConfig({ alerts: { rules: [rule] } })).toThrow(ConfigError);
  const [found] = read(rule).problems;
  expect(found).toContain(`the alert rule "${rule.name}" `);
  expect(found).toContain(problem);
});

test('a name that comes twice is refused', () => {
  expect(read(RULE, RULE).problems).toEqual(['the alert rule "low" is there twice']);
});

test('a secret is not in what is said of a wrong configuration', () => {
  const wrong = { ...RULE, remediation: { url: 'http://b', secret: 'too short', headers: { a: 7 } } };
  const message = (() => {
    try {
      resolveConfig({ alerts: { rules: [wrong as unknown as AlertRuleConfig] } });
    } catch (error) {
      return (error as Error).message;
    }
    return '';
  })();
  expect(message).toContain('alerts.rules[0].remediation.secret');
  expect(message).not.toContain('too short');
});
