import { escapeHtml, markdownToHtml } from './html-page.ts';

/** What is read of a JSON Schema to show it to people. */
export interface Schema {
  readonly $ref?: string;
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
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
}

/** The fields of an object, of the objects in a list, or of either of several, and of what these hold. Empty where there are none. */
export function propertyTable(schema: Schema): string {
  const rows = fieldRows(schema, '');
  return rows.length === 0 ? '' : table(['field', 'type', ''], rows);
}

/** What a field holds follows it, by its path. */
function fieldRows(
  { properties = {}, required = [], items, anyOf = [] }: Schema,
  prefix: string,
): string[][] {
  const own = Object.entries(properties).flatMap(([name, property]) => {
    const path = prefix + name;
    const row = [
      `<code>${escapeHtml(path)}</code>${required.includes(name) ? ' *' : ''}`,
      typeOf(property),
      markdownToHtml(property.description ?? ''),
    ];
    return [row, ...fieldRows(property, property.items === undefined ? `${path}.` : `${path}[].`)];
  });
  const held = [...(items === undefined ? [] : [items]), ...anyOf];
  return [...own, ...held.flatMap((schema) => fieldRows(schema, prefix))];
}

export function refName({ $ref }: Schema): string | undefined {
  return $ref?.split('/').at(-1);
}

/** A type in a few words, as HTML. */
export function typeOf(schema: Schema): string {
  const name = refName(schema);
  if (name !== undefined) return `<a href="#shape-${escapeHtml(name)}">${escapeHtml(name)}</a>`;
  if (schema.const !== undefined) return `<code>${escapeHtml(JSON.stringify(schema.const))}</code>`;
  if (schema.enum !== undefined)
    return schema.enum.map((value) => `<code>${escapeHtml(String(value))}</code>`).join(' ');
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' or ');
  if (schema.items !== undefined) return `list of ${typeOf(schema.items)}`;
  const [anyField] = Object.values(schema.patternProperties ?? {});
  if (anyField !== undefined) return `object of ${typeOf(anyField)}`;
  if (schema.type === undefined) return 'any JSON value';
  return escapeHtml([schema.type].flat().join(' or ')) + boundsOf(schema);
}

function boundsOf({ minimum, maximum }: Schema): string {
  if (maximum !== undefined && maximum !== Number.MAX_SAFE_INTEGER) return ` ${minimum ?? ''}–${maximum}`;
  return minimum === undefined ? '' : ` ≥ ${minimum}`;
}

/** `heads` are text, `rows` HTML. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const head = heads.map((text) => `<th scope="col">${escapeHtml(text)}</th>`).join('');
  const body = rows.map((cells) => `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`).join('');
  return `<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
}
