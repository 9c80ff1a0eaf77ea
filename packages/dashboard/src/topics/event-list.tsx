import type { MillraceEvent } from '@millrace/protocol';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, type ReactNode, useId, useRef } from 'react';
import { EndIcon } from '../ui/icons.tsx';
import { useFollowTail } from '../ui/use-follow-tail.ts';
import { useIsNarrow } from '../ui/use-is-narrow.ts';
import { EventRow } from './event-row.tsx';

interface EventListProps {
  /** Oldest first. */
  readonly events: readonly MillraceEvent[];
  readonly showTopic: boolean;
  readonly selectedId: string | undefined;
  readonly onSelect: (event: MillraceEvent | undefined) => void;
}

const STEPS: Readonly<Record<string, number>> = {
  ArrowDown: 1,
  ArrowUp: -1,
  PageDown: 15,
  PageUp: -15,
  End: Number.POSITIVE_INFINITY,
  Home: Number.NEGATIVE_INFINITY,
};

/** Newest last, and kept in sight until the reader scrolls up. Arrow keys walk through it, Escape closes the detail. */
export function EventList({ events, showTopic, selectedId, onSelect }: EventListProps): ReactNode {
  const listId = useId();
  const scroller = useRef<HTMLDivElement>(null);
  const rowHeight = useIsNarrow() ? 52 : 32;
  const virtualizer = useVirtualizer({
    count: events.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 12,
  });
  const { isFollowing, jumpToEnd, stopFollowing } = useFollowTail(scroller, events);
  const selectedIndex = selectedId === undefined ? -1 : events.findIndex(({ id }) => id === selectedId);

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') onSelect(undefined);
    const step = STEPS[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const from = selectedIndex === -1 ? events.length : selectedIndex;
    const to = Math.min(events.length - 1, Math.max(0, from + step));
    onSelect(events[to]);
    if (to < events.length - 1) stopFollowing();
    virtualizer.scrollToIndex(to);
  };

  return (
    <div className="event-list-frame">
      <div
        ref={scroller}
        className="event-list"
        role="listbox"
        tabIndex={0}
        aria-label="Events, oldest first"
        aria-activedescendant={selectedIndex === -1 ? undefined : `${listId}-${selectedIndex}`}
        onKeyDown={onKeyDown}
      >
        <div role="presentation" style={{ height: events.length * rowHeight, position: 'relative' }}>
          {virtualizer.getVirtualItems().map(({ index }) => {
            const event = events[index];
            if (event === undefined) return null;
            return (
              <EventRow
                key={event.id}
                id={`${listId}-${index}`}
                event={event}
                showTopic={showTopic}
                isSelected={index === selectedIndex}
                top={index * rowHeight}
                height={rowHeight}
                onSelect={onSelect}
              />
            );
          })}
        </div>
      </div>
      {!isFollowing && (
        <button type="button" className="button jump-to-end" onClick={jumpToEnd}>
          <EndIcon />
          Jump to newest
        </button>
      )}
    </div>
  );
}
