import type { MillraceEvent } from '@millrace/protocol';
import type { ReactNode } from 'react';
import { copyText } from '../ui/copy-text.ts';
import { CloseIcon, CopyIcon } from '../ui/icons.tsx';
import { JsonText } from './json-text.tsx';
import './event-detail.css';

interface EventDetailProps {
  readonly event: MillraceEvent;
  readonly onClose: () => void;
}

/** Everything that an event says. */
export function EventDetail({ event, onClose }: EventDetailProps): ReactNode {
  const json = JSON.stringify(event.data, null, 2) ?? 'undefined';
  return (
    <aside className="event-detail card" aria-label="Event">
      <header className="event-detail-head">
        <h2>{event.event}</h2>
        <button
          type="button"
          className="button icon bare"
          aria-label="Copy the event as JSON"
          title="Copy the event as JSON"
          onClick={() => void copyText(JSON.stringify(event, null, 2), 'Event copied')}
        >
          <CopyIcon />
        </button>
        <button type="button" className="button icon bare" aria-label="Close" title="Close" onClick={onClose}>
          <CloseIcon />
        </button>
      </header>
      <dl className="event-fields">
        {fieldsOf(event).map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd className="mono">{value}</dd>
          </div>
        ))}
      </dl>
      <JsonText json={json} />
    </aside>
  );
}

function fieldsOf(event: MillraceEvent): readonly (readonly [string, string])[] {
  const fields: readonly (readonly [string, string | undefined])[] = [
    ['Topic', event.topic],
    ['Offset', String(event.offset)],
    ['Epoch', event.epoch],
    ['Id', event.id],
    ['Stored', event.timestamp],
    ['Source', event.source],
    ['Key', event.key],
    ['Priority', event.priority],
    ['Sealed', event.sealed ? 'This event closed its topic' : undefined],
  ];
  return fields.filter((field): field is readonly [string, string] => field[1] !== undefined);
}
