import { encodeSegment, findPatternProblem, type MillraceEvent } from '@millrace/protocol';
import type { BridgeRuleConfig } from '../config-schema.ts';
import type { BridgeFunction, BridgeRule } from './bridge-rule.ts';
import { BridgeRuleError, readEventTemplate, readFields, type ValueMaker } from './field-map.ts';

/** Reads a rule of the configuration. Throws a {@link BridgeRuleError}. */
export function readBridgeRule(declared: BridgeRuleConfig): BridgeRule {
  const { name, events, topics = ['*'], mapped = false } = declared;
  for (const pattern of topics) {
    const problem = findPatternProblem(pattern);
    if (problem !== undefined)
      throw new BridgeRuleError(`has the topic ${JSON.stringify(pattern)}, which ${problem}`);
  }
  return { name, events, topics, takesMapped: mapped, takesOthers: false, map: readMap(declared) };
}

function readMap(declared: BridgeRuleConfig): BridgeFunction {
  const { apply, rename, pick, map } = declared;
  if (apply === undefined) return readDeclaredMap(declared);
  if (typeof apply !== 'function') throw new BridgeRuleError('has an "apply" that is no function');
  if (rename !== undefined || pick !== undefined || map !== undefined) {
    throw new BridgeRuleError('has "apply" beside "rename", "pick" or "map": the function says it all');
  }
  const topicOf = readTopic(declared.topic);
  return (event) => {
    const made = apply(event);
    if (made === undefined) return undefined;
    const all = Array.isArray(made) ? made : [made];
    return all.map((each) => ({ ...each, topic: each.topic ?? topicOf?.(event) }));
  };
}

function readDeclaredMap(declared: BridgeRuleConfig): BridgeFunction {
  const { rename, key } = declared;
  const topicOf = readTopic(declared.topic);
  const nameOf = rename === undefined ? undefined : readEventTemplate(rename);
  const keyOf = key === undefined ? undefined : readEventTemplate(key);
  const dataOf = readData(declared);
  return (event) => ({
    topic: topicOf?.(event),
    event: nameOf?.(event) ?? event.event,
    key: keyOf?.(event),
    data: dataOf(event),
  });
}

/** What fills a gap in a topic is one segment of it, whatever it is. */
function readTopic(topic: string | undefined): ((event: MillraceEvent) => string) | undefined {
  if (topic === undefined) return undefined;
  // Else what somebody publishes could choose the namespace, and with it who reads it.
  if (/^[^.]*\{/.test(topic)) throw new BridgeRuleError('has a topic whose first segment is a gap');
  return readEventTemplate(topic, (value) => {
    const text = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
    return text === '' || !text.isWellFormed() ? undefined : encodeSegment(text);
  });
}

function readData({ pick, map }: BridgeRuleConfig): ValueMaker {
  if (pick === undefined && map === undefined) return ({ data }) => data;
  // Picked fields keep the last of their names.
  const picked = readFields(Object.fromEntries((pick ?? []).map((path) => [path.split('.').at(-1), path])));
  const mapped = readFields(map ?? {});
  return (event) => ({ ...(picked(event) as object), ...(mapped(event) as object) });
}
