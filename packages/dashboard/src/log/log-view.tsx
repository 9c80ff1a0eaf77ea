import { useVirtualizer } from '@tanstack/react-virtual';
import { type CSSProperties, type ReactNode, useEffect, useRef } from 'react';
import { EndIcon } from '../ui/icons.tsx';
import { useFollowTail } from '../ui/use-follow-tail.ts';
import type { LogLine } from './log-buffer.ts';
import { LogRow } from './log-row.tsx';
import './log-view.css';
import './ansi.css';

interface LogViewProps {
  readonly lines: readonly LogLine[];
  /** How many of `lines` to show: fewer than there are while paused. */
  readonly count: number;
  /** Changes whenever `lines` does. */
  readonly version: number;
  /** How many lines before the first are no longer kept. */
  readonly dropped: number;
  readonly isWrapped: boolean;
  readonly query: string;
  /** The line to bring into sight and mark. */
  readonly current: number | undefined;
}

const ROW_HEIGHT = 20;

/** Output as a terminal would show it, with only the lines in sight in the page. */
export function LogView(props: LogViewProps): ReactNode {
  const { lines, count, version, dropped, isWrapped, query, current } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const virtualizer = useVirtualizer({
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 24,
  });
  const total = virtualizer.getTotalSize();
  const { isFollowing, jumpToEnd, stopFollowing } = useFollowTail(scroller, `${total}:${version}`);

  // biome-ignore lint/correctness/useExhaustiveDependencies: every row may have another height now.
  useEffect(() => virtualizer.measure(), [isWrapped]);
  useEffect(() => {
    if (current === undefined) return;
    stopFollowing();
    virtualizer.scrollToIndex(current, { align: 'center' });
  }, [current, virtualizer, stopFollowing]);

  const rows = virtualizer.getVirtualItems();
  return (
    <div className="log-frame">
      <div
        ref={scroller}
        className="log"
        role="log"
        aria-label="Output"
        // Thousands of lines a minute must not be read out; the state of the run is announced instead.
        aria-live="off"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard.
        tabIndex={0}
        data-wrap={isWrapped}
        style={{ '--digits': String(dropped + count).length } as CSSProperties}
      >
        <div className="log-lines" style={{ height: total }}>
          <div className="log-window" style={{ transform: `translateY(${rows[0]?.start ?? 0}px)` }}>
            {rows.map(({ index, key }) => {
              const line = lines[index];
              if (line === undefined) return null;
              return (
                <div key={key} data-index={index} ref={isWrapped ? virtualizer.measureElement : undefined}>
                  <LogRow
                    number={dropped + index + 1}
                    text={line.text}
                    style={line.style}
                    isStderr={line.isStderr}
                    query={query}
                    isCurrent={index === current}
                  />
                </div>
              );
            })}
          </div>
        </div>
      </div>
      {!isFollowing && (
        <button type="button" className="button jump-to-end" onClick={jumpToEnd}>
          <EndIcon />
          Jump to end
        </button>
      )}
    </div>
  );
}
