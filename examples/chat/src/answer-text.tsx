// biome-ignore-all lint/suspicious/noArrayIndexKey: a text grows at its end, and what has an index keeps it

import { Fragment, type ReactNode } from 'react';

/** What models write, as far as a chat needs it: paragraphs, lists, code, and words in bold. */
export function AnswerText({ text }: { readonly text: string }) {
  // Every second part is between fences; the last one may still be open.
  return text.split(/^```[^\n]*\n?/m).map((part, i) =>
    i % 2 === 1 ? (
      <pre key={i}>
        <code>{part.replace(/\n$/, '')}</code>
      </pre>
    ) : (
      <Fragment key={i}>{blocksOf(part)}</Fragment>
    ),
  );
}

const ITEM = /^\s*(?:[-*]|\d+[.)])\s+/;

function blocksOf(text: string): ReactNode[] {
  return text
    .split(/\n{2,}/)
    .filter((block) => block.trim() !== '')
    .map((block, i) => <Block key={i} text={block.replace(/^\n+|\n+$/g, '')} />);
}

function Block({ text }: { readonly text: string }) {
  const lines = text.split('\n');
  const heading = /^#{1,4}\s+(.*)$/.exec(text);
  if (heading !== null) return <h3>{inline(heading[1] ?? '')}</h3>;
  if (!lines.every((line) => ITEM.test(line))) return <p>{inline(text)}</p>;
  const List = /^\s*\d/.test(text) ? 'ol' : 'ul';
  return (
    <List>
      {lines.map((line, i) => (
        <li key={i}>{inline(line.replace(ITEM, ''))}</li>
      ))}
    </List>
  );
}

/** `code` and **bold**. */
function inline(text: string): ReactNode[] {
  return text.split(/(`[^`\n]+`|\*\*[^*\n]+\*\*)/).map((part, i) => {
    if (i % 2 === 0) return part;
    return part.startsWith('`') ? (
      <code key={i}>{part.slice(1, -1)}</code>
    ) : (
      <strong key={i}>{part.slice(2, -2)}</strong>
    );
  });
}
