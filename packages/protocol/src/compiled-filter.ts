import type { Priority } from './event.ts';
import { fieldReader } from './field-path.ts';
import type { Filter, FilterTest, Scalar } from './filter.ts';

/** What a filter looks at. */
export interface FilterSubject {
  readonly topic: string;
  readonly event: string;
  readonly source?: string | undefined;
  readonly key?: string | undefined;
  readonly priority?: Priority | undefined;
  /** The event's data as a value. Asked only by filters with a condition on it, so that it may be parsed on demand. */
  data(): unknown;
}

type Predicate = (value: unknown) => boolean;

/** A filter that is ready to be asked many times. */
export interface CompiledFilter {
  /** The same for filters that say the same in the same order: such filters share their verdicts. */
  readonly id: string;
  /**
   * Whether every condition holds. Of a field that is missing only `ne` and `exists: false` hold. Bounds compare numbers with
   * numbers and strings with strings (by UTF-16 code units); between the two nothing holds. Never throws.
   */
  matches(subject: FilterSubject): boolean;
}

export function compileFilter(filter: Filter): CompiledFilter {
  const conditions = filter.map(({ path, test }) => ({ read: fieldReader(path), holds: predicate(test) }));
  // What costs a look into the data comes last.
  conditions.sort((a, b) => Number(a.read.ofData) - Number(b.read.ofData));
  return {
    id: JSON.stringify(filter.map(({ path, test }) => [path, test])),
    matches: (subject) => conditions.every(({ read, holds }) => holds(read.from(subject))),
  };
}

function predicate(test: FilterTest): Predicate {
  switch (test.op) {
    case 'in': {
      const values = new Set<unknown>(test.values);
      return (value) => value !== undefined && values.has(value);
    }
    case 'ne':
      return (value) => value !== (test.value satisfies Scalar);
    case 'exists':
      return (value) => (value !== undefined) === test.value;
    case 'prefix':
      return (value) => typeof value === 'string' && value.startsWith(test.value);
    case 'gt':
      return comparing(test.value, (order) => order > 0);
    case 'gte':
      return comparing(test.value, (order) => order >= 0);
    case 'lt':
      return comparing(test.value, (order) => order < 0);
    case 'lte':
      return comparing(test.value, (order) => order <= 0);
  }
}

function comparing(bound: number | string, holds: (order: number) => boolean): Predicate {
  return (value) => {
    if (typeof value === 'number' && typeof bound === 'number') return holds(value - bound);
    if (typeof value === 'string' && typeof bound === 'string')
      return holds(value === bound ? 0 : value < bound ? -1 : 1);
    return false;
  };
}
