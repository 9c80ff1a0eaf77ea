import type Type from 'typebox';
import type { EventType } from './event-type.ts';
import type { AnyView } from './view.ts';

/** Kinds of events that belong together, the topics they are published on, and what they add up to there. */
export interface EventFamily<Events extends readonly EventType[] = readonly EventType[]> {
  readonly name: string;
  /** A paragraph for whoever reads the documentation. */
  readonly description: string;
  /** Topics and patterns where these events are usual; `view` is the view of the topics that match. */
  readonly topics: readonly string[];
  readonly events: Events;
  readonly view?: AnyView;
}

/** Declares a family; the types of its events come along. */
export function eventFamily<const Events extends readonly EventType[]>(
  family: EventFamily<Events>,
): EventFamily<Events> {
  return family;
}

/** The events of some families, by name, with the types of their data: what `createClient` takes as its catalog. */
export type EventsOf<Families extends readonly EventFamily[]> = {
  [Event in Families[number]['events'][number] as Event['name']]: Type.Static<Event['data']>;
};
