// docs/events.md: every event that comes with Millrace, written from the catalog. `--check` only says whether it is current.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { builtInFamilies, type EventFamily, type EventType } from '@millrace/catalog';
import { reportProblems } from './report-problems.ts';
import { workspaceRoot } from './source-files.ts';

/** What is read of a JSON Schema to show it to people. */
interface Schema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
}

const code = (text: string): string => `\`${text}\``;

function boundsOf({ minimum, maximum }: Schema): string {
  if (maximum !== undefined) return ` ${minimum ?? ''}–${maximum}`;
  return minimum === undefined ? '' : ` ≥ ${minimum}`;
}

/** A type in a few words. */
function typeOf(schema: Schema): string {
  if (schema.const !== undefined) return code(JSON.stringify(schema.const));
  if (schema.enum !== undefined) return schema.enum.map((value) => code(String(value))).join(', ');
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' or ');
  if (schema.items !== undefined) return `list of ${typeOf(schema.items)}`;
  const [anyField] = Object.values(schema.patternProperties ?? {});
  if (anyField !== undefined) return `object of ${typeOf(anyField)}`;
  if (schema.type === undefined) return 'any JSON value';
  return [schema.type].flat().join(' or ') + boundsOf(schema);
}

/** The fields of an object, and of what they hold, as rows of a table. */
function rowsOf({ properties = {}, required = [], items, anyOf = [] }: Schema, prefix: string): string[] {
  const inner = [...(items === undefined ? [] : [items]), ...anyOf];
  return [
    ...Object.entries(properties).flatMap(([name, schema]) => {
      const path = prefix + name;
      const cells = [
        code(path) + (required.includes(name) ? ' *' : ''),
        typeOf(schema),
        schema.description ?? '',
      ];
      const row = `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
      return [row, ...rowsOf(schema, schema.items === undefined ? `${path}.` : `${path}[].`)];
    }),
    ...inner.flatMap((schema) => rowsOf(schema, prefix)),
  ];
}

function fieldsOf(schema: Schema): string {
  const rows = rowsOf(schema, '');
  if (rows.length === 0) return schema.description ?? 'No fields are promised.';
  return ['| field | type | |', '|---|---|---|', ...rows].join('\n');
}

function describeEvent({ name, description, data, example, earlier }: EventType): string {
  const older = earlier.map(
    (version) => `An earlier version, still accepted:\n\n${fieldsOf(version.data as Schema)}`,
  );
  return [
    `### ${code(name)}`,
    description,
    fieldsOf(data as Schema),
    `\`\`\`json\n${JSON.stringify(example, null, 2)}\n\`\`\``,
    ...older,
  ].join('\n\n');
}

function describeFamily({ name, description, topics, events, view }: EventFamily): string {
  const places = `Usual on ${topics.map(code).join(', ')}.`;
  const state = view === undefined ? '' : ` A snapshot of such a topic is the view ${code(view.name)}.`;
  return [`## ${name}`, description, places + state, ...events.map(describeEvent)].join('\n\n');
}

const INTRODUCTION = `# Events

Every kind of event that comes with Millrace, written from the catalog (\`packages/catalog\`) by \`npm run docs:events\`: what is listed here is what the
server checks. A running server has the same of itself, with the families of its configuration, at \`/docs/events\` and \`/asyncapi.json\`.

The data of a known event must meet its schema; fields marked * are required, and fields that are not listed are kept. What breaks its schema is refused with the code
\`bad-data\` (HTTP 422) and the path of the fault. How to declare events of your own: [guides/events.md](guides/events.md).`;

/** The reference, in Markdown. */
export function eventReference(families: readonly EventFamily[]): string {
  return `${[INTRODUCTION, ...families.map(describeFamily)].join('\n\n')}\n`;
}

const PAGE = join(workspaceRoot, 'docs', 'events.md');

if (import.meta.main) {
  const current = eventReference(builtInFamilies);
  if (process.argv.includes('--check')) {
    const found = existsSync(PAGE) ? readFileSync(PAGE, 'utf8') : '';
    const stale =
      found === current ? [] : ['docs/events.md is not what the catalog says: npm run docs:events'];
    reportProblems('event reference', stale);
  } else writeFileSync(PAGE, current);
}
