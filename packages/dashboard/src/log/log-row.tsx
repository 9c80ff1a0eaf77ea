import { type CSSProperties, memo, type ReactNode } from 'react';
import { ansiSpans } from './ansi.ts';
import { markSpans } from './mark-spans.ts';

interface LogRowProps {
  /** From 1, over all of the output. */
  readonly number: number;
  readonly text: string;
  /** SGR parameters in force at its start. */
  readonly style: string;
  readonly isStderr: boolean;
  /** What is searched for, in lower case. */
  readonly query: string;
  /** The match that the reader is at. */
  readonly isCurrent: boolean;
}

export const LogRow = memo(function LogRow(props: LogRowProps): ReactNode {
  const { number, text, style, isStderr, query, isCurrent } = props;
  return (
    <div className="log-row" data-stderr={isStderr} data-current={isCurrent}>
      <span className="log-number figures" aria-hidden="true">
        {number}
      </span>
      <span className="log-text">
        {isStderr && <span className="visually-hidden">stderr: </span>}
        {markSpans(ansiSpans(style, text), query).map((span, index) => {
          const Tag = span.isMarked ? 'mark' : 'span';
          return (
            // Spans of a line have no identity but their place.
            // biome-ignore lint/suspicious/noArrayIndexKey: see above.
            <Tag key={index} className={span.className} style={colorsOf(span.color, span.background)}>
              {span.text}
            </Tag>
          );
        })}
      </span>
    </div>
  );
});

function colorsOf(color: string | undefined, background: string | undefined): CSSProperties | undefined {
  return color === undefined && background === undefined ? undefined : { color, background };
}
