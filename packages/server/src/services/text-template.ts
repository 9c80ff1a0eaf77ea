/** Text with gaps, each a name in braces: `{group} is at {value}`. `{{` and `}}` stand for a brace. */
export interface TextTemplate {
  /** The names of its gaps, each once. */
  readonly names: readonly string[];
  /** The text, with what is found for each name; nothing stands for what is not found. Anything but text is written as JSON. */
  fill(find: (name: string) => unknown): string;
}

type Part = { readonly text: string } | { readonly name: string };

const TOKEN = /\{\{|\}\}|\{([^{}]*)\}|[{}]/g;

/** Reads a template. Throws a `SyntaxError` that says which brace is wrong. */
export function parseTemplate(template: string): TextTemplate {
  const parts: Part[] = [];
  let end = 0;
  for (const match of template.matchAll(TOKEN)) {
    if (match.index > end) parts.push({ text: template.slice(end, match.index) });
    parts.push(readToken(match[0], match[1], match.index));
    end = match.index + match[0].length;
  }
  if (end < template.length) parts.push({ text: template.slice(end) });
  const names = parts.flatMap((part) => ('name' in part ? [part.name] : []));
  return {
    names: [...new Set(names)],
    fill: (find) => parts.map((part) => ('text' in part ? part.text : written(find(part.name)))).join(''),
  };
}

function readToken(token: string, name: string | undefined, at: number): Part {
  if (token === '{{' || token === '}}') return { text: token.charAt(0) };
  const trimmed = name?.trim() ?? '';
  if (trimmed !== '') return { name: trimmed };
  throw new SyntaxError(`has a brace at character ${at + 1} that encloses no name; write {{ for a brace`);
}

function written(value: unknown): string {
  if (typeof value === 'string') return value;
  return value === undefined || value === null ? '' : JSON.stringify(value);
}
