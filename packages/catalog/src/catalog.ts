import { type MillraceEvent, matchesPattern } from '@millrace/protocol';
import type Type from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { type DataProblem, describeDataErrors } from './data-problem.ts';
import type { EventFamily } from './event-family.ts';
import type { EventType } from './event-type.ts';
import type { AnyView } from './view.ts';
import { latestView } from './views/latest.ts';

type Check = Validator<Record<never, never>, Type.TSchema>;

/** Some families, and what follows from all of them: which events are known, what may be in them, which view a topic has. */
export class Catalog {
  readonly families: readonly EventFamily[];
  readonly #types = new Map<string, CheckedType>();

  constructor(families: readonly EventFamily[]) {
    this.families = families;
    const names = families.map(({ name }) => name);
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    for (const type of families.flatMap(({ events }) => events)) {
      if (this.#types.has(type.name)) throw new TypeError(`the event ${type.name} is declared twice`);
      this.#types.set(type.name, new CheckedType(type));
    }
    if (twice !== undefined) throw new TypeError(`the family ${twice} is declared twice`);
  }

  /** The type of events of that name. */
  find(event: string): EventType | undefined {
    return this.#types.get(event)?.type;
  }

  has(event: string): boolean {
    return this.#types.has(event);
  }

  /** What is wrong with the data of a known event; `undefined` when nothing is, and for names that are not known. */
  check(event: string, data: unknown): DataProblem | undefined {
    return this.#types.get(event)?.check(data);
  }

  /** The data as the newest version of its type has it; as it is where it needs no change, or none is known. */
  upcast(event: string, data: unknown): unknown {
    const type = this.#types.get(event);
    return type === undefined ? data : type.upcast(data);
  }

  /** The view of a topic: of the first family whose topics match it. */
  viewOf(topic: string): AnyView {
    for (const { view, topics } of this.families) {
      if (view !== undefined && topics.some((pattern) => matchesPattern(pattern, topic))) return view;
    }
    return latestView;
  }
}

/** Puts families together; the first that says something of a topic counts. Throws a `TypeError` for a name declared twice. */
export function createCatalog(families: readonly EventFamily[]): Catalog {
  return new Catalog(families);
}

/** The event with its data as the catalog has it now. */
export function upcastEvent(catalog: Catalog, event: MillraceEvent): MillraceEvent {
  const data = catalog.upcast(event.event, event.data);
  return data === event.data ? event : { ...event, data };
}

/** A type of events with its checks, which are compiled when they are first needed. */
class CheckedType {
  readonly type: EventType;
  #current: Check | undefined;
  #earlier: readonly Check[] | undefined;

  constructor(type: EventType) {
    this.type = type;
    this.#current = undefined;
    this.#earlier = undefined;
  }

  check(data: unknown): DataProblem | undefined {
    this.#current ??= Compile(this.type.data) as Check;
    if (this.#current.Check(data) || this.#versionOf(data) !== -1) return undefined;
    return describeDataErrors(this.#current.Errors(data));
  }

  upcast(data: unknown): unknown {
    const { earlier } = this.type;
    if (earlier.length === 0) return data;
    this.#current ??= Compile(this.type.data) as Check;
    if (this.#current.Check(data)) return data;
    let value: unknown = data;
    for (let version = this.#versionOf(data); version >= 0; version--)
      value = earlier[version]?.upcast(value);
    return value;
  }

  /** Which earlier version the data is of; -1 when of none. */
  #versionOf(data: unknown): number {
    const { earlier } = this.type;
    if (earlier.length === 0) return -1;
    this.#earlier ??= earlier.map((version) => Compile(version.data) as Check);
    return this.#earlier.findIndex((check) => check.Check(data));
  }
}
