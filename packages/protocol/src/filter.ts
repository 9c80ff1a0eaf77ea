import { MillraceError } from './codes.ts';
import { type FieldPath, findFieldPathProblem } from './field-path.ts';

/**
 * Filters: a conjunction of conditions on an event's fields, in two spellings.
 *
 * Shorthands: `{types: [...], sources: [...], minAmount: n}`, `{task_id, event_type, status}`.
 * General: `{"<path>": value | [values] | {eq, ne, in, gt, gte, lt, lte, exists, prefix}}`, where a path is `event`,
 * `source`, `key`, `topic`, `priority` or `data.<field>[.<field>…]`.
 */

export const MAX_FILTER_CONDITIONS = 16;
/** Of its conditions as JSON text, in UTF-16 code units: a server keeps it as long as the subscription. */
export const MAX_FILTER_LENGTH = 16_384;

export type Scalar = string | number | boolean | null;

export type FilterTest =
  | { readonly op: 'in'; readonly values: readonly Scalar[] }
  | { readonly op: 'ne'; readonly value: Scalar }
  | { readonly op: 'gt' | 'gte' | 'lt' | 'lte'; readonly value: number | string }
  | { readonly op: 'exists'; readonly value: boolean }
  | { readonly op: 'prefix'; readonly value: string };

export interface FilterCondition {
  /** `['event']`, `['data', 'task_id']`, … */
  readonly path: FieldPath;
  readonly test: FilterTest;
}

/** Every condition must hold. */
export type Filter = readonly FilterCondition[];

function fail(path: string, problem: string): never {
  throw new MillraceError('bad-message', `filter: "${path}" ${problem}`, {
    details: { path: `/filter/${path}` },
  });
}

function isScalar(value: unknown): value is Scalar {
  return value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value);
}

function scalars(path: string, value: unknown): readonly Scalar[] {
  const values = Array.isArray(value) ? value : [value];
  if (values.length === 0 || !values.every(isScalar))
    fail(path, 'must be a string, number, boolean, null, or a list of at least one of them');
  return values;
}

function parsePath(path: string): FieldPath {
  const problem = findFieldPathProblem(path);
  return problem === undefined ? path.split('.') : fail(path, problem);
}

function parseTest(path: string, op: string, value: unknown): FilterTest {
  switch (op) {
    case 'eq':
      return isScalar(value) ? { op: 'in', values: [value] } : fail(path, 'eq takes one value');
    case 'in':
      return { op: 'in', values: scalars(path, value) };
    case 'ne':
      return isScalar(value) ? { op, value } : fail(path, 'ne takes one value');
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte':
      if (typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value)))
        return { op, value };
      return fail(path, `${op} takes a number or a string`);
    case 'exists':
      return typeof value === 'boolean' ? { op, value } : fail(path, 'exists takes true or false');
    case 'prefix':
      return typeof value === 'string' ? { op, value } : fail(path, 'prefix takes a string');
    default:
      return fail(
        path,
        `has the unknown operator "${op}"; use eq, ne, in, gt, gte, lt, lte, exists or prefix`,
      );
  }
}

/** Reads a filter as a client wrote it. Throws a `MillraceError` (`bad-message`) naming the condition that is wrong. */
export function parseFilter(input: Readonly<Record<string, unknown>>): Filter {
  const conditions: FilterCondition[] = [];
  for (const [name, value] of Object.entries(input)) {
    switch (name) {
      case 'types':
      case 'event_type':
        conditions.push({ path: ['event'], test: { op: 'in', values: scalars(name, value) } });
        break;
      case 'sources':
        conditions.push({ path: ['source'], test: { op: 'in', values: scalars(name, value) } });
        break;
      case 'minAmount':
        if (typeof value !== 'number' || !Number.isFinite(value)) fail(name, 'must be a number');
        conditions.push({ path: ['data', 'amount'], test: { op: 'gte', value } });
        break;
      case 'task_id':
      case 'status':
        conditions.push({ path: ['data', name], test: { op: 'in', values: scalars(name, value) } });
        break;
      default: {
        const path = parsePath(name);
        if (typeof value !== 'object' || value === null || Array.isArray(value)) {
          conditions.push({ path, test: { op: 'in', values: scalars(name, value) } });
        } else {
          const tests = Object.entries(value);
          if (tests.length === 0) fail(name, 'has no operator');
          for (const [op, operand] of tests) conditions.push({ path, test: parseTest(name, op, operand) });
        }
      }
    }
  }
  if (conditions.length > MAX_FILTER_CONDITIONS) {
    throw new MillraceError('bad-message', `filter: more than ${MAX_FILTER_CONDITIONS} conditions`);
  }
  if (JSON.stringify(conditions).length > MAX_FILTER_LENGTH) {
    throw new MillraceError('bad-message', `filter: longer than ${MAX_FILTER_LENGTH} characters`);
  }
  return conditions;
}
