import { CONFIG_SECTIONS, type ConfigOption, type OptionSchema } from '@millrace/server/config';

interface Row {
  readonly name: string;
  readonly schema: OptionSchema;
  /** Only whole options come from the environment or a flag. */
  readonly env?: string;
}

function kindOf(schema: OptionSchema): string {
  if (schema.enum !== undefined) return schema.enum.join(', ');
  if (schema.type === 'array')
    return schema.items?.enum === undefined ? 'list' : `list of ${kindOf(schema.items)}`;
  if (schema.type === 'string' && schema.pattern?.includes('(ms|s|m|h|d)')) return 'duration';
  return schema.path === true ? 'path' : (schema.type ?? '');
}

const named = (prefix: string, fields: OptionSchema['properties'] = {}): readonly Row[] =>
  Object.entries(fields).map(([key, schema]) => ({ name: `${prefix}.${key}`, schema }));

/** The fields of an object, of a list's objects, and of the objects under any name; and theirs. */
function fieldsOf({ name, schema }: Row): readonly Row[] {
  const { properties, items, patternProperties = {} } = schema;
  const fields = [
    ...named(name, properties),
    ...named(`${name}[]`, items?.properties),
    ...Object.values(patternProperties).flatMap((any) => named(`${name}.<name>`, any.properties)),
  ];
  return fields.flatMap((field) => [field, ...fieldsOf(field)]);
}

function formatRow({ name, schema, env }: Row): string {
  const code = (text: string | undefined): string => (text === undefined ? '' : `\`${text}\``);
  const value = schema.default === undefined ? undefined : JSON.stringify(schema.default);
  const cells = [
    code(name),
    kindOf(schema),
    code(value),
    code(env),
    code(schema.flag),
    schema.description ?? '',
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function rowsOf({ name, schema, env }: ConfigOption): readonly Row[] {
  const row = { name, schema, env };
  return [row, ...fieldsOf(row)];
}

/** The reference of the configuration, in Markdown. */
export function documentConfig(): string {
  const sections = CONFIG_SECTIONS.map(
    ({ name, description, options }) => `## ${name}

${description}

| option | kind | default | environment | flag | meaning |
|---|---|---|---|---|---|
${options.flatMap(rowsOf).map(formatRow).join('\n')}
`,
  );
  return `# Configuration

A flag of \`millrace serve\` comes before an environment variable, that before \`millrace.config.json\` or \`millrace.config.ts\` in the
working folder (or the file named by \`--config\`), and that before the default. Durations are written \`500ms\`, \`30s\`, \`2m\`, \`1h\` or
\`7d\`. Relative paths start from the file that has them, else from the working folder. In the environment a list is written with commas,
anything deeper as JSON; a secret may also be in the file that \`<variable>_FILE\` names.

${sections.join('\n')}`;
}
