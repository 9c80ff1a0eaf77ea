import type { MillraceEvent } from '@millrace/protocol';
import { memo, type ReactNode } from 'react';
import { formatTime } from '../ui/format.ts';
import { eventText } from './event-text.ts';

interface EventRowProps {
  readonly id: string;
  readonly event: MillraceEvent;
  readonly showTopic: boolean;
  readonly isSelected: boolean;
  readonly top: number;
  readonly height: number;
  readonly onSelect: (event: MillraceEvent) => void;
}

/** Longer than any screen is wide. */
const PREVIEW_LENGTH = 400;

export const EventRow = memo(function EventRow(props: EventRowProps): ReactNode {
  const { id, event, showTopic, isSelected, top, height, onSelect } = props;
  return (
    // The listbox that this is an option of handles the keyboard.
    // biome-ignore lint/a11y/useKeyWithClickEvents: see above.
    // biome-ignore lint/a11y/useFocusableInteractive: the listbox has the focus and names its active option.
    <div
      id={id}
      role="option"
      aria-selected={isSelected}
      className="event-row"
      style={{ height, transform: `translateY(${top}px)` }}
      onClick={() => onSelect(event)}
    >
      <span className="event-time figures mono">{formatTime(event.timestamp)}</span>
      <span className="event-offset figures mono">{event.offset}</span>
      <span className="event-name">
        {showTopic && <span className="quiet mono">{event.topic} </span>}
        {event.event}
      </span>
      <span className="event-data mono">{eventText(event).slice(0, PREVIEW_LENGTH)}</span>
    </div>
  );
});
