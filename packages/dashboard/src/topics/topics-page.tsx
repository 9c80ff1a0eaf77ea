import { findPatternProblem } from '@millrace/protocol';
import { type ReactNode, useDeferredValue, useMemo, useState } from 'react';
import { routeHref } from '../app/route.ts';
import { formatCount } from '../ui/format.ts';
import { Notice } from '../ui/notice.tsx';
import { SearchField } from '../ui/search-field.tsx';
import { useIsNarrow } from '../ui/use-is-narrow.ts';
import { useNow } from '../ui/use-now.ts';
import { VirtualList } from '../ui/virtual-list.tsx';
import { TopicListHead } from './topic-list-head.tsx';
import { TopicListRow } from './topic-list-row.tsx';
import { searchTopics, sortTopics, type TopicRow, type TopicSort, topicRows } from './topic-rows.ts';
import { useTopicActivity } from './use-topic-activity.ts';
import { useTopicList } from './use-topic-list.ts';
import './topics-page.css';

const REFRESH_MS = 10_000;

export function TopicsPage(): ReactNode {
  const [query, setQuery] = useState('');
  const [sort, setSort] = useState<TopicSort>('recent');
  const pattern = patternOf(useDeferredValue(query));
  const list = useTopicList(pattern ?? '*', REFRESH_MS);
  const activity = useTopicActivity('*');
  const now = useNow(1000);
  const isNarrow = useIsNarrow();
  const rows = useMemo(
    () => sortTopics(searchTopics(topicRows(list.topics ?? [], activity), query), sort),
    [list.topics, activity, query, sort],
  );
  return (
    <div className="page">
      <header className="page-head">
        <h1>
          Topics{' '}
          <span className="quiet figures">{list.topics !== undefined && formatCount(rows.length)}</span>
        </h1>
        <div className="topics-search">
          {pattern !== undefined && (
            <a className="button" href={routeHref({ view: 'topic', topic: pattern })}>
              Watch {pattern}
            </a>
          )}
          <SearchField label="Search, or a pattern like task.*" value={query} onChange={setQuery} />
        </div>
      </header>
      {list.isTruncated && (
        <p className="quiet">
          There are more topics than are listed here. Search with a pattern to see others.
        </p>
      )}
      <div className="topics-card card">
        <TopicListHead sort={sort} onSort={setSort} />
        {rows.length > 0 ? (
          <VirtualList
            label="Topics"
            items={rows}
            keyOf={topicOf}
            rowHeight={isNarrow ? 56 : 40}
            renderRow={(row) => <TopicListRow row={row} now={now} />}
          />
        ) : (
          <TopicsNotice isLoading={list.topics === undefined} query={query} error={list.error?.message} />
        )}
      </div>
    </div>
  );
}

const topicOf = ({ topic }: TopicRow): string => topic;

/** The query, when it is a pattern that the server can answer. */
function patternOf(query: string): string | undefined {
  const text = query.trim();
  return text.includes('*') && findPatternProblem(text) === undefined ? text : undefined;
}

function TopicsNotice(props: { isLoading: boolean; query: string; error: string | undefined }): ReactNode {
  if (props.isLoading && props.error !== undefined) {
    return (
      <Notice title="The topics could not be read" role="alert">
        {props.error}
      </Notice>
    );
  }
  if (props.isLoading) return <Notice title="Reading the topics …" role="status" />;
  if (props.query.trim() !== '')
    return <Notice title={`No topic matches “${props.query.trim()}”`} role="status" />;
  return (
    <Notice title="No topics yet">
      A topic is there as soon as something is published to it:{' '}
      <code>millrace pub task.first task.started '{'{}'}'</code>
    </Notice>
  );
}
