import { PRIORITIES } from '@millrace/protocol';
import type { EventFamily } from './event-family.ts';
import type { EventType } from './event-type.ts';

/** A JSON Schema as it is printed. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** A kind of event. */
export interface AsyncApiMessage {
  readonly name: string;
  readonly title: string;
  readonly summary: string;
  readonly tags: readonly { readonly name: string }[];
  readonly headers: JsonSchema;
  readonly payload: JsonSchema;
  readonly examples: readonly { readonly payload: unknown }[];
}

/** What the server says of every event, beside its data. */
export const ENVELOPE: JsonSchema = {
  type: 'object',
  title: 'Envelope',
  description:
    'What stands beside an event’s data. Publishers give `topic` and `event`, and `source`, `key` and `priority` if they like; the server adds the rest.',
  required: ['topic', 'event'],
  properties: {
    topic: { type: 'string', description: 'The topic whose log has it.' },
    event: { type: 'string', description: 'Its name: what kind of event it is.' },
    id: { type: 'string', description: 'Unique in this deployment.' },
    offset: { type: 'integer', minimum: 1, description: 'Its number in the topic, contiguous from 1.' },
    epoch: { type: 'string', description: 'The life of the topic’s log that it belongs to.' },
    timestamp: {
      type: 'string',
      format: 'date-time',
      description: 'When it was stored; never decreases within a topic.',
    },
    source: { type: 'string', description: 'Who or what published it, as the publisher says.' },
    key: { type: 'string', description: 'The record that it is a new state of.' },
    priority: { type: 'string', enum: [...PRIORITIES], description: 'Missing means `normal`.' },
    sealed: { const: true, description: 'It closed its topic: no other follows.' },
  },
};

/** What a name is called in the components, whose keys have fewer characters to choose from. */
export function componentName(event: string): string {
  return event.replaceAll(/[^\w.-]/gu, (character) => `_${character.codePointAt(0)?.toString(16)}_`);
}

function schemaName(event: string, version: number): string {
  return `${componentName(event)}${version === 0 ? '' : `.earlier-${version}`}`;
}

function refTo(event: string, version: number): JsonSchema {
  return { $ref: `#/components/schemas/${schemaName(event, version)}` };
}

/** The log may have events of every version. */
function payloadOf({ name, earlier }: EventType): JsonSchema {
  if (earlier.length === 0) return refTo(name, 0);
  return { anyOf: [refTo(name, 0), ...earlier.map((_, i) => refTo(name, i + 1))] };
}

function messageOf(type: EventType, family: EventFamily): AsyncApiMessage {
  const { name, description, example } = type;
  return {
    name,
    title: name,
    summary: description,
    tags: [{ name: family.name }],
    headers: {
      type: 'object',
      allOf: [{ $ref: '#/components/schemas/Envelope' }],
      properties: { event: { const: name } },
      required: ['event'],
    },
    payload: payloadOf(type),
    examples: [{ payload: example }],
  };
}

export function messagesOf(families: readonly EventFamily[]): Record<string, AsyncApiMessage> {
  return Object.fromEntries(
    families.flatMap((family) =>
      family.events.map((type) => [componentName(type.name), messageOf(type, family)] as const),
    ),
  );
}

/** The shapes of data, by event and version. */
export function schemasOf(families: readonly EventFamily[]): Record<string, JsonSchema> {
  const types = families.flatMap(({ events }) => events);
  return Object.fromEntries(types.flatMap(versionsOf));
}

function versionsOf({ name, data, earlier }: EventType): readonly (readonly [string, JsonSchema])[] {
  const shapes = [data, ...earlier.map((version) => version.data)];
  // What TypeBox keeps in its schemas for itself is not printed.
  return shapes.map((shape, version) => [
    schemaName(name, version),
    JSON.parse(JSON.stringify(shape)) as JsonSchema,
  ]);
}
