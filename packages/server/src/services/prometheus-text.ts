/** One figure of a target, as Prometheus' text format has it. */
export interface PrometheusSample {
  readonly name: string;
  /** In the order of the text. */
  readonly labels: readonly (readonly [name: string, value: string])[];
  /** May be `NaN` or infinite. */
  readonly value: number;
}

/** The text is not in Prometheus' format. */
export class PrometheusTextError extends Error {
  override readonly name: string = 'PrometheusTextError';
}

const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const LABEL_NAME = /[a-zA-Z_][a-zA-Z0-9_]*/y;
/** Up to its closing quote; a backslash takes the next character with it. */
const QUOTED = /"(?:[^"\\]|\\.)*"/y;
const SPACE = /[ \t]*/y;
const VALUE = /[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]?Inf(?:inity)?|NaN/iy;
/** A timestamp, and what OpenMetrics adds: neither is of use here. */
const REST = /(?:[ \t]+[+-]?\d+(?:\.\d+)?)?(?:[ \t]+#.*)?[ \t]*/y;
const ESCAPED: Readonly<Record<string, string>> = { n: '\n', '\\': '\\', '"': '"' };

/**
 * Reads the text format 0.0.4, and of OpenMetrics what a plain reader needs: samples, one a line; comments are skipped. Throws a
 * `PrometheusTextError` that names the line. Its time is linear in the text.
 */
export function* readPrometheusText(text: string): Generator<PrometheusSample> {
  let number = 0;
  for (const line of lines(text)) {
    number++;
    const start = skip(SPACE, line, 0);
    if (start === line.length || line[start] === '#') continue;
    yield readSample(line, start, number);
  }
}

function* lines(text: string): Generator<string> {
  for (let from = 0; from < text.length; ) {
    const end = text.indexOf('\n', from);
    const to = end === -1 ? text.length : end;
    yield text.slice(from, text[to - 1] === '\r' && to > from ? to - 1 : to);
    from = to + 1;
  }
}

function readSample(line: string, start: number, number: number): PrometheusSample {
  const fail = (what: string): never => {
    throw new PrometheusTextError(`line ${number} has no ${what}`);
  };
  const name = match(NAME, line, start) ?? fail('name');
  let at = skip(SPACE, line, start + name.length);
  const labels: [string, string][] = [];
  if (line[at] === '{') {
    at = skip(SPACE, line, at + 1);
    while (line[at] !== '}') {
      const label = match(LABEL_NAME, line, at) ?? fail('label where one should be');
      at = skip(SPACE, line, at + label.length);
      if (line[at] !== '=') fail('value for a label');
      at = skip(SPACE, line, at + 1);
      const quoted = match(QUOTED, line, at) ?? fail('closed quotes around a label’s value');
      labels.push([label, unquote(quoted)]);
      at = skip(SPACE, line, at + quoted.length);
      if (line[at] === ',') at = skip(SPACE, line, at + 1);
      else if (line[at] !== '}') fail('end of its labels');
    }
    at = skip(SPACE, line, at + 1);
  }
  const value = match(VALUE, line, at) ?? fail('number');
  at = skip(REST, line, at + value.length);
  if (at !== line.length) fail('end after its number');
  return { name, labels, value: numberOf(value) };
}

function match(pattern: RegExp, line: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(line)?.[0];
}

function skip(pattern: RegExp, line: string, at: number): number {
  return at + (match(pattern, line, at)?.length ?? 0);
}

function unquote(quoted: string): string {
  return quoted.slice(1, -1).replace(/\\(.)/g, (whole, character: string) => ESCAPED[character] ?? whole);
}

function numberOf(text: string): number {
  const [, sign, infinite] = /^([+-]?)(inf)/i.exec(text) ?? [];
  if (infinite === undefined) return Number(text);
  return sign === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}
