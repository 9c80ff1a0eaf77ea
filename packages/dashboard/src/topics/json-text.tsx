import type { ReactNode } from 'react';

/** A key (with its colon), a string, a number, or `true`, `false`, `null`. */
const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null)/g;

/** More than this is shown in one colour: thousands of elements would make the page slow. */
const MAX_COLORED_LENGTH = 60_000;

/** JSON that is already laid out, with its kinds of values told apart. */
export function JsonText({ json }: { json: string }): ReactNode {
  return <pre className="json-text">{json.length > MAX_COLORED_LENGTH ? json : colored(json)}</pre>;
}

function colored(json: string): ReactNode[] {
  const parts: ReactNode[] = [];
  let end = 0;
  for (const match of json.matchAll(TOKEN)) {
    const [text, string, colon, number] = match;
    if (match.index > end) parts.push(json.slice(end, match.index));
    const kind =
      colon !== undefined
        ? 'key'
        : string !== undefined
          ? 'string'
          : number !== undefined
            ? 'number'
            : 'word';
    parts.push(
      <span key={match.index} className={`json-${kind}`}>
        {colon === undefined ? text : string}
      </span>,
    );
    if (colon !== undefined) parts.push(colon);
    end = match.index + text.length;
  }
  parts.push(json.slice(end));
  return parts;
}
