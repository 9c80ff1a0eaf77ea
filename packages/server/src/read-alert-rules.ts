import { type FieldReader, fieldReader, findFieldPathProblem, findPatternProblem } from '@millrace/protocol';
import { type AlertRule, type EventWatch, type FigureWatch, MESSAGE_NAMES } from './alerts/alert-rule.ts';
import { BUILT_IN_RULES } from './alerts/built-in-rules.ts';
import type { Remediation } from './alerts/remediation.ts';
import type { AlertRuleConfig, RemediationConfig } from './config-schema.ts';
import { type Duration, durationMs } from './duration.ts';
import { parseTemplate, type TextTemplate } from './services/text-template.ts';

const DEFAULTS = {
  resolveFor: '30s',
  missingAfter: '1m',
  message: '{figure} is {value}, {side} {threshold}',
  groupMessage: '{figure} of {group} is {value}, {side} {threshold}',
  timeout: '30s',
  retries: 3,
  maxGroups: 100,
} as const;

/** A rule says something that cannot be; the message is the end of a sentence that names the rule. */
class RuleError extends Error {}

export interface ReadAlertRules {
  readonly rules: readonly AlertRule[];
  /** One for each rule that cannot be, naming it. */
  readonly problems: readonly string[];
}

/** The built-in rules and those of the configuration, those that are switched off left out. */
export function readAlertRules(
  configured: readonly AlertRuleConfig[],
  defaultEntity: string,
): ReadAlertRules {
  const merged = new Map(BUILT_IN_RULES.map((rule) => [rule.name, rule]));
  const rules: AlertRule[] = [];
  const problems: string[] = [];
  const names = new Set<string>();
  for (const rule of configured) {
    if (names.has(rule.name)) problems.push(`the alert rule "${rule.name}" is there twice`);
    names.add(rule.name);
    merged.set(rule.name, { ...merged.get(rule.name), ...rule });
  }
  for (const rule of merged.values()) {
    if (rule.enabled === false) continue;
    try {
      rules.push(readRule(rule, defaultEntity));
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      problems.push(`the alert rule "${rule.name}" ${error.message}`);
    }
  }
  return { rules, problems };
}

function readRule(rule: AlertRuleConfig, defaultEntity: string): AlertRule {
  const { above, below, resolveBelow, resolveAbove } = rule;
  checkThresholds(rule);
  const watch = rule.metric === undefined ? readEventWatch(rule) : readFigureWatch(rule, rule.metric);
  return {
    name: rule.name,
    watch,
    entity: readEntity(rule, watch, defaultEntity),
    ...{ above, below, resolveBelow, resolveAbove },
    forMs: msOf(rule.for) ?? 0,
    resolveForMs: durationMs(rule.resolveFor ?? DEFAULTS.resolveFor),
    missing: rule.missing ?? 'keep',
    missingAfterMs: durationMs(rule.missingAfter ?? DEFAULTS.missingAfter),
    severity: rule.severity ?? 'warning',
    category: rule.category ?? 'custom',
    message: readMessage(rule),
    recommendedAction: rule.recommendedAction ?? '',
    remediation: rule.remediation && readRemediation(rule.remediation),
    maxGroups: rule.maxGroups ?? DEFAULTS.maxGroups,
  };
}

const msOf = (duration: Duration | undefined): number | undefined =>
  duration === undefined ? undefined : durationMs(duration);

function checkThresholds({ above, below, resolveBelow, resolveAbove }: AlertRuleConfig): void {
  if (above === undefined && below === undefined) throw new RuleError('needs "above" or "below"');
  if (above !== undefined && below !== undefined && below > above) {
    throw new RuleError('has "below" over "above": every value would be wrong');
  }
  if (resolveBelow !== undefined && !(above !== undefined && resolveBelow <= above)) {
    throw new RuleError('has a "resolveBelow" that is not at or below "above"');
  }
  if (resolveAbove !== undefined && !(below !== undefined && resolveAbove >= below)) {
    throw new RuleError('has a "resolveAbove" that is not at or above "below"');
  }
}

function readEventWatch(rule: AlertRuleConfig): EventWatch {
  const { topic, event, field, groupBy } = rule;
  if (topic === undefined || field === undefined) {
    throw new RuleError('needs a "topic" and a "field", or a "metric"');
  }
  for (const option of ['label', 'per'] as const) {
    if (rule[option] !== undefined) throw new RuleError(`has "${option}", which is for a "metric"`);
  }
  const problem = findPatternProblem(topic);
  if (problem !== undefined) throw new RuleError(`has a "topic" that ${problem}`);
  return {
    kind: 'event',
    pattern: topic,
    event,
    field,
    read: readField('field', field),
    group: groupBy === undefined ? undefined : readField('groupBy', groupBy),
  };
}

function readField(option: string, path: string): FieldReader {
  const problem = findFieldPathProblem(path);
  if (problem !== undefined) throw new RuleError(`has a "${option}" that ${problem}`);
  return fieldReader(path.split('.'));
}

function readFigureWatch(rule: AlertRuleConfig, metric: string): FigureWatch {
  for (const option of ['topic', 'event', 'field', 'groupBy'] as const) {
    if (rule[option] !== undefined)
      throw new RuleError(`has "${option}" beside "metric": it watches one of them`);
  }
  return { kind: 'figure', figure: metric, label: rule.label, perMs: msOf(rule.per) };
}

function readEntity(
  { entity }: AlertRuleConfig,
  { kind }: AlertRule['watch'],
  defaultEntity: string,
): string {
  if (entity === undefined) return defaultEntity;
  if (entity.startsWith('$')) throw new RuleError('has an "entity" that is the server’s own');
  if (kind === 'event' || entity !== '*') return entity;
  throw new RuleError(
    'watches a "metric" of the whole server, which belongs to no entity: name one, not "*"',
  );
}

function readMessage({ message, groupBy }: AlertRuleConfig): TextTemplate {
  const text = message ?? (groupBy === undefined ? DEFAULTS.message : DEFAULTS.groupMessage);
  let template: TextTemplate;
  try {
    template = parseTemplate(text);
  } catch (error) {
    throw new RuleError(`has a "message" that ${(error as Error).message}`);
  }
  const unknown = template.names.find((name) => !(MESSAGE_NAMES as readonly string[]).includes(name));
  if (unknown === undefined) return template;
  throw new RuleError(`has a "message" with {${unknown}}; there are ${MESSAGE_NAMES.join(', ')}`);
}

function readRemediation(remediation: RemediationConfig): Remediation {
  const { command, url, timeout = DEFAULTS.timeout } = remediation;
  const timeoutMs = durationMs(timeout);
  const [file, ...args] = command ?? [];
  if ((file === undefined) === (url === undefined)) {
    throw new RuleError('has a "remediation" that needs either "command" or "url"');
  }
  if (file !== undefined) {
    const { cwd, environment = [] } = remediation;
    return { kind: 'command', command: [file, ...args], cwd, environment, timeoutMs };
  }
  const { headers = {}, secret, retries = DEFAULTS.retries } = remediation;
  return { kind: 'request', url: url as string, headers, secret, timeoutMs, retries };
}
