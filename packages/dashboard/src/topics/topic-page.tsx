import { hasWildcard, type MillraceEvent } from '@millrace/protocol';
import { type ReactNode, useMemo, useState } from 'react';
import { routeHref } from '../app/route.ts';
import { useGapToasts } from '../app/use-error-toasts.ts';
import { formatCount } from '../ui/format.ts';
import { BackIcon, PauseIcon, PlayIcon } from '../ui/icons.tsx';
import { Notice } from '../ui/notice.tsx';
import { SearchField } from '../ui/search-field.tsx';
import { EventDetail } from './event-detail.tsx';
import { EventList } from './event-list.tsx';
import { filterEvents } from './event-text.ts';
import { FeedBadge } from './feed-badge.tsx';
import { type TopicEvents, useTopicEvents } from './use-topic-events.ts';
import './topic-page.css';

/** One topic: its history and what comes live. A pattern shows what comes live in all of its topics. */
export function TopicPage({ topic }: { topic: string }): ReactNode {
  const feed = useTopicEvents(topic);
  useGapToasts(feed.feed);
  const [query, setQuery] = useState('');
  const [selected, setSelected] = useState<MillraceEvent>();
  const shown = useMemo(() => filterEvents(feed.events, query), [feed.events, query]);
  return (
    <div className="page">
      <header className="page-head">
        <div className="title-row">
          <a className="button icon bare" href={routeHref({ view: 'topics' })} aria-label="All topics">
            <BackIcon />
          </a>
          <h1 className="mono">{topic}</h1>
          <FeedBadge feed={feed.feed} isPaused={feed.isPaused} />
        </div>
        <div className="topic-tools">
          {topic.startsWith('tool.') && !hasWildcard(topic) && (
            <a className="button" href={routeHref({ view: 'run', topic })}>
              Show as log
            </a>
          )}
          <PauseButton feed={feed} />
          <SearchField label="Filter events" value={query} onChange={setQuery}>
            {query !== '' && <span className="figures">{formatCount(shown.length)}</span>}
          </SearchField>
        </div>
      </header>
      <div className="topic-body" data-detail={selected !== undefined}>
        <div className="topic-events card">
          {feed.loadOlder !== undefined && query === '' && (
            <button type="button" className="load-older" onClick={() => void feed.loadOlder?.()}>
              Load earlier events
            </button>
          )}
          {shown.length > 0 ? (
            <EventList
              events={shown}
              showTopic={hasWildcard(topic)}
              selectedId={selected?.id}
              onSelect={setSelected}
            />
          ) : (
            <TopicNotice feed={feed} query={query} />
          )}
        </div>
        {selected !== undefined && <EventDetail event={selected} onClose={() => setSelected(undefined)} />}
      </div>
    </div>
  );
}

function PauseButton({ feed }: { feed: TopicEvents }): ReactNode {
  const { isPaused, waiting, setPaused } = feed;
  return (
    <button type="button" className="button" aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
      {isPaused ? <PlayIcon /> : <PauseIcon />}
      {isPaused ? `Resume${waiting > 0 ? ` (${formatCount(waiting)} new)` : ''}` : 'Pause'}
    </button>
  );
}

function TopicNotice({ feed, query }: { feed: TopicEvents; query: string }): ReactNode {
  const { phase, error } = feed.feed;
  if (phase === 'failed') {
    return (
      <Notice title="This topic cannot be read" role="alert">
        {error?.message}
      </Notice>
    );
  }
  if (query !== '') return <Notice title={`No event contains “${query}”`} role="status" />;
  if (phase === 'opening') return <Notice title="Reading the topic …" role="status" />;
  return <Notice title="No events yet">They appear here as soon as they are published.</Notice>;
}
