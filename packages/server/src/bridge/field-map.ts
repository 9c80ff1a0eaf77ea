import { type FieldPath, fieldReader, findFieldPathProblem, type MillraceEvent } from '@millrace/protocol';
import { parseTemplate } from '../services/text-template.ts';

/** Makes a value of an event; `undefined` is left out of what it stands in. */
export type ValueMaker = (event: MillraceEvent) => unknown;

/** What is declared cannot be; the message is the end of a sentence that names the rule. */
export class BridgeRuleError extends Error {
  override readonly name: string = 'BridgeRuleError';
}

/** Fields of the event that are no fields of a filter. */
const OWN_FIELDS = ['timestamp', 'id'] as const;

function readPath(path: string): ValueMaker {
  const own = OWN_FIELDS.find((field) => field === path);
  if (own !== undefined) return (event) => event[own];
  const problem = findFieldPathProblem(path);
  if (problem !== undefined)
    throw new BridgeRuleError(`has "${path}", which ${problem}, ${OWN_FIELDS.join(' or ')}`);
  const reader = fieldReader(path.split('.') as FieldPath);
  return (event) => reader.from({ ...event, data: () => event.data });
}

/** A text with gaps for fields: `{data.agent_id}`. */
export function readEventTemplate(
  text: string,
  shown: (value: unknown) => unknown = (value) => value,
): (event: MillraceEvent) => string {
  try {
    const template = parseTemplate(text);
    const makers = new Map(template.names.map((name) => [name, readPath(name)]));
    return (event) => template.fill((name) => shown(makers.get(name)?.(event)));
  } catch (error) {
    if (error instanceof SyntaxError) throw new BridgeRuleError(`has a template that ${error.message}`);
    throw error;
  }
}

/**
 * Reads how a value is declared:
 *
 * - `"data.agent_id"`: that field;
 * - `["data.agent_id", "data.agentId"]`: the first of these that there is;
 * - `{template: "{data.name} is {data.status}"}`: a text;
 * - `{value: 7}`: always that;
 * - `{switch: "data.status", cases: {active: "pulse"}, else: "fade"}`: a value by another one;
 * - `{fields: {…}}`: an object of such values.
 */
export function readValue(declared: unknown): ValueMaker {
  if (typeof declared === 'string') return readPath(declared);
  if (Array.isArray(declared)) return firstOf(declared.map(readValue));
  if (typeof declared !== 'object' || declared === null) {
    throw new BridgeRuleError(
      `has ${JSON.stringify(declared)} where a field, a list of fields or an object should be`,
    );
  }
  const { template, value, fields, switch: of } = declared as Readonly<Record<string, unknown>>;
  if (typeof template === 'string') return readEventTemplate(template);
  if (typeof of === 'string') return readSwitch(of, declared);
  if (typeof fields === 'object' && fields !== null) return readFields(fields);
  if (value !== undefined) return () => value;
  throw new BridgeRuleError(
    `has ${JSON.stringify(declared).slice(0, 80)}, which has none of template, value, switch and fields`,
  );
}

/** An object of declared values; those that are not there are left out. */
export function readFields(declared: object): ValueMaker {
  const makers = Object.entries(declared).map(([name, value]) => [name, readValue(value)] as const);
  return (event) => Object.fromEntries(makers.map(([name, make]) => [name, make(event)]));
}

function firstOf(makers: readonly ValueMaker[]): ValueMaker {
  return (event) => {
    for (const make of makers) {
      const value = make(event);
      if (value !== undefined && value !== null) return value;
    }
    return undefined;
  };
}

function readSwitch(of: string, declared: { readonly cases?: unknown; readonly else?: unknown }): ValueMaker {
  const { cases, else: otherwise } = declared;
  if (typeof cases !== 'object' || cases === null) throw new BridgeRuleError('has a switch without cases');
  const values = new Map(Object.entries(cases));
  const make = readPath(of);
  return (event) => {
    const value = make(event);
    return value !== undefined && values.has(String(value)) ? values.get(String(value)) : otherwise;
  };
}
