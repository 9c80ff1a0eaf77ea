import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import Type from 'typebox';
import { describe, expect, test } from 'vitest';
import { type AsyncApiDocument, asyncApiDocument } from './async-api.ts';
import { type EventFamily, eventFamily } from './event-family.ts';
import { earlier, eventType } from './event-type.ts';
import { builtInFamilies } from './families/index.ts';

/** The schema that the AsyncAPI project publishes. */
const official: object = JSON.parse(
  readFileSync(
    createRequire(import.meta.url).resolve('@asyncapi/specs/schemas/3.0.0-without-$id.json'),
    'utf8',
  ),
) as object;
const ajv = new Ajv({ strict: false, allErrors: true });
addFormats.default(ajv);
const meetsOfficialSchema = ajv.compile(official);

/** As a client gets it. */
function documentOf(families: readonly EventFamily[]): AsyncApiDocument {
  return JSON.parse(JSON.stringify(asyncApiDocument(families, { version: '1.2.3' }))) as AsyncApiDocument;
}

function expectValid(document: unknown): void {
  meetsOfficialSchema(document);
  expect(meetsOfficialSchema.errors ?? []).toEqual([]);
}

/** What a reference points to. */
function resolve(document: object, reference: string): unknown {
  const keys = reference.replace(/^#\//, '').split('/');
  return keys.reduce<unknown>(
    (value, key) => (value as Record<string, unknown> | undefined)?.[key],
    document,
  );
}

const parcels = eventFamily({
  name: 'parcel',
  description: 'Parcels.',
  topics: ['parcels.*.moves.*', 'parcels', '*'],
  events: [
    eventType({
      name: 'parcel moved / é',
      description: 'It moved.',
      data: Type.Object({ to: Type.String() }),
      example: { to: 'Oslo' },
      earlier: [earlier({ data: Type.String(), upcast: (to) => ({ to }) })],
    }),
  ],
});

const lockers = eventFamily({
  name: 'locker',
  description: 'Lockers.',
  topics: ['parcels'],
  events: [eventType({ name: 'locker.opened', description: 'It opened.', data: Type.Null(), example: null })],
});

describe('the AsyncAPI document', () => {
  test('of the families that come with Millrace meets the official schema', () => {
    expectValid(documentOf(builtInFamilies));
  });

  test('of any families meets it too', () => {
    expectValid(documentOf([parcels, lockers, ...builtInFamilies]));
    expectValid(documentOf([]));
  });

  test('the official schema is one that a document can break', () => {
    const document = documentOf(builtInFamilies);
    expect(meetsOfficialSchema({ ...document, operations: { a: { action: 'shout' } } })).toBe(false);
  });

  test('has every event with its schema and an example that meets it', () => {
    const document = documentOf(builtInFamilies);
    for (const { name, data, example } of builtInFamilies.flatMap(({ events }) => [...events])) {
      const message = document.components.messages[name];
      expect(message?.payload).toEqual({ $ref: `#/components/schemas/${name}` });
      expect(document.components.schemas[name]).toEqual(JSON.parse(JSON.stringify(data)));
      const meets = new Ajv({ strict: false }).compile(document.components.schemas[name] ?? false);
      expect(message?.examples, name).toEqual([{ payload: example }]);
      expect(meets(example), `${name}: ${JSON.stringify(meets.errors)}`).toBe(true);
    }
  });

  test('refers to nothing that it does not have', () => {
    const document = documentOf([parcels, lockers, ...builtInFamilies]);
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(
      ([, ref = '']) => ref,
    );
    expect(references.length).toBeGreaterThan(100);
    for (const reference of references) expect(resolve(document, reference), reference).toBeDefined();
  });

  test('has a channel for each topic or pattern, with a parameter for each wildcard', () => {
    const { channels } = documentOf([parcels, lockers]);
    expect(Object.keys(channels)).toEqual(['parcels.moves', 'parcels', 'all']);
    expect(channels['parcels.moves']).toMatchObject({
      address: 'parcels.{part1}.moves.{id}',
      parameters: { part1: {}, id: {} },
    });
    expect(Object.keys(channels.parcels?.messages ?? {})).toEqual([
      'parcel_20_moved_20__2f__20__e9_',
      'locker.opened',
    ]);
    expect(channels.all?.address).toBe('{id}');
  });

  test('the server sends and receives on each channel, for whom has a token', () => {
    const { channels, operations, servers, components } = documentOf(builtInFamilies);
    for (const name of Object.keys(channels)) {
      expect(operations[`${name}.subscribe`]).toMatchObject({ action: 'send' });
      expect(operations[`${name}.publish`]).toMatchObject({ action: 'receive' });
    }
    const schemes = Object.keys(components.securitySchemes).map((name) => ({
      $ref: `#/components/securitySchemes/${name}`,
    }));
    for (const { security } of [...Object.values(operations), ...Object.values(servers)])
      expect(security).toEqual(schemes);
  });

  test('an event with earlier versions may be of any of them', () => {
    const { components } = documentOf([parcels]);
    const name = 'parcel_20_moved_20__2f__20__e9_';
    expect(components.messages[name]).toMatchObject({
      name: 'parcel moved / é',
      payload: {
        anyOf: [{ $ref: `#/components/schemas/${name}` }, { $ref: `#/components/schemas/${name}.earlier-1` }],
      },
    });
    expect(components.schemas[`${name}.earlier-1`]).toEqual({ type: 'string' });
  });
});
