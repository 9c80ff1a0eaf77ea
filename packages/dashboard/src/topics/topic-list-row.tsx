import type { ReactNode } from 'react';
import { routeHref } from '../app/route.ts';
import { formatAge, formatBytes, formatCount, formatDateTime, formatFigure } from '../ui/format.ts';
import type { TopicRow } from './topic-rows.ts';

export function TopicListRow({ row, now }: { row: TopicRow; now: number }): ReactNode {
  const { topic, events, bytes, timestamp, perSecond, sealed, durability } = row;
  return (
    <a className="topic-list-row topic-grid" href={routeHref({ view: 'topic', topic })}>
      <span className="topic-cell-name">
        <span className="topic-pulse" data-live={perSecond > 0} aria-hidden="true" />
        <span className="topic-name mono">{topic}</span>
        {durability === 'live' && <span className="tag">live</span>}
        {sealed && <span className="tag">sealed</span>}
        {perSecond > 0 && <span className="topic-rate figures">{formatRate(perSecond)}/s</span>}
      </span>
      <span className="topic-cell-events figures">
        {formatCount(events)}
        <span className="topic-cell-unit"> {events === 1 ? 'event' : 'events'}</span>
      </span>
      <span className="topic-cell-size figures quiet">{bytes === undefined ? '–' : formatBytes(bytes)}</span>
      <span className="topic-cell-newest figures quiet" title={timestamp && formatDateTime(timestamp)}>
        {timestamp === undefined ? '–' : formatAge(now - Date.parse(timestamp))}
      </span>
    </a>
  );
}

/** One digit after the point: more would only flicker. */
const formatRate = (perSecond: number): string => formatFigure(Math.round(perSecond * 10) / 10 || 0.1);
