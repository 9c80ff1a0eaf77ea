import type { MillraceEvent } from '@millrace/protocol';

/** Data whose fields may be missing or of any type: a log may be older than its catalog. */
export type Fields = Readonly<Record<string, unknown>>;

/** No field of what is not an object is there. */
export function fieldsOf({ data }: MillraceEvent): Fields {
  return typeof data === 'object' && data !== null ? (data as Fields) : {};
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

export function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

/** Those of the fields that are text, so that what is not said anew stays as it was. */
export function texts<Name extends string>(
  data: Fields,
  ...names: Name[]
): { readonly [N in Name]?: string } {
  return picked(data, names, 'string') as { [N in Name]?: string };
}

/** Those of the fields that are numbers. */
export function numbers<Name extends string>(
  data: Fields,
  ...names: Name[]
): { readonly [N in Name]?: number } {
  return picked(data, names, 'number') as { [N in Name]?: number };
}

function picked(data: Fields, names: readonly string[], type: 'string' | 'number'): Record<string, unknown> {
  return Object.fromEntries(
    names.flatMap((name) => (typeof data[name] === type ? [[name, data[name]]] : [])),
  );
}
