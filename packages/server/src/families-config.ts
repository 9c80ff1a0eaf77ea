import {
  builtInFamilies,
  type Catalog,
  createCatalog,
  type EventFamily,
  type EventType,
} from '@millrace/catalog';
import { findPatternProblem } from '@millrace/protocol';
import type { Config } from './config.ts';

/** The catalog that a server checks by: the families of its configuration, then those that come with Millrace. */
export function catalogOf({ families }: Config): Catalog {
  return createCatalog([...families.map(complete), ...builtInFamilies]);
}

/** A file in JSON leaves out what `eventType()` would have added. */
function complete(family: EventFamily): EventFamily {
  return { ...family, events: family.events.map((type) => ({ ...type, earlier: type.earlier ?? [] })) };
}

/** What the shape of families does not say: what is wrong with their names, topics, schemas and examples. */
export function familyProblems(families: readonly EventFamily[]): string[] {
  const familyNames = ownersOf(builtInFamilies, ({ name }) => [name]);
  const eventNames = ownersOf(builtInFamilies, ({ events }) => events.map(({ name }) => name));
  return families.flatMap((family, i) => {
    const place = `families[${i}]`;
    return [
      ...takenProblem(`${place}.name`, family.name, familyNames, place),
      ...topicProblems(family, place),
      ...viewProblems(family, place),
      ...family.events.flatMap((type, j) => [
        ...takenProblem(`${place}.events[${j}].name`, type.name, eventNames, `${place}.events[${j}]`),
        ...typeProblems(type, `${place}.events[${j}]`),
      ]),
    ];
  });
}

/** Who has a name, as problems say it. */
type Owners = Map<string, string>;

function ownersOf(
  families: readonly EventFamily[],
  namesOf: (family: EventFamily) => readonly string[],
): Owners {
  return new Map(
    families.flatMap((family) =>
      namesOf(family).map((name) => [name, `the family "${family.name}" that comes with Millrace`] as const),
    ),
  );
}

/** Takes a name, or says who has it already. */
function takenProblem(option: string, name: string, owners: Owners, place: string): string[] {
  const owner = owners.get(name);
  if (owner !== undefined) return [`${option} "${name}" is taken by ${owner}`];
  owners.set(name, place);
  return [];
}

function topicProblems({ topics }: EventFamily, place: string): string[] {
  return topics.flatMap((topic, i) => {
    const problem = findPatternProblem(topic);
    return problem === undefined ? [] : [`${place}.topics[${i}] "${topic}" ${problem}`];
  });
}

function viewProblems({ view }: EventFamily, place: string): string[] {
  if (view === undefined) return [];
  const missing = (['initial', 'fold'] as const).filter((name) => typeof view[name] !== 'function');
  return missing.map((name) => `${place}.view.${name} must be a function`);
}

function typeProblems(type: EventType, place: string): string[] {
  const earlier = type.earlier ?? [];
  return [
    ...schemaProblems(type, place),
    ...earlier.flatMap(({ upcast }, i) =>
      typeof upcast === 'function' ? [] : [`${place}.earlier[${i}].upcast must be a function`],
    ),
    ...earlier.flatMap(({ data }, i) => schemaProblems({ ...type, data }, `${place}.earlier[${i}]`, false)),
  ];
}

/** Tries a schema: it must be one, and the example must meet it. */
function schemaProblems(type: EventType, place: string, hasExample = true): string[] {
  const { name, example } = type;
  const current = { ...type, earlier: [] };
  try {
    const found = createCatalog([{ name, description: '', topics: [], events: [current] }]).check(
      name,
      example,
    );
    if (found === undefined || !hasExample) return [];
    return [`${place}.example does not meet its schema: "/example${found.path}" ${found.problem}`];
  } catch (error) {
    return [`${place}.data cannot be used as a schema: ${(error as Error).message}`];
  }
}
