import { type ReactNode, useMemo, useState } from 'react';
import { searchTopics, sortTopics, type TopicRow, topicRows } from '../topics/topic-rows.ts';
import { useTopicActivity } from '../topics/use-topic-activity.ts';
import { useTopicList } from '../topics/use-topic-list.ts';
import { formatCount } from '../ui/format.ts';
import { Notice } from '../ui/notice.tsx';
import { SearchField } from '../ui/search-field.tsx';
import { useIsNarrow } from '../ui/use-is-narrow.ts';
import { useNow } from '../ui/use-now.ts';
import { VirtualList } from '../ui/virtual-list.tsx';
import { RunRow } from './run-row.tsx';
import './commands-page.css';

const REFRESH_MS = 10_000;

/** Everything that `millrace run` has run, newest first. */
export function CommandsPage(): ReactNode {
  const list = useTopicList('tool.*', REFRESH_MS);
  const activity = useTopicActivity('tool.*');
  const [query, setQuery] = useState('');
  const now = useNow(1000);
  const isNarrow = useIsNarrow();
  const rows = useMemo(
    () => sortTopics(searchTopics(topicRows(list.topics ?? [], activity), query), 'recent'),
    [list.topics, activity, query],
  );
  return (
    <div className="page">
      <header className="page-head">
        <h1>
          Commands{' '}
          <span className="quiet figures">{list.topics !== undefined && formatCount(rows.length)}</span>
        </h1>
        <div className="topics-search">
          <SearchField label="Search by topic" value={query} onChange={setQuery} />
        </div>
      </header>
      <div className="topics-card card">
        {rows.length > 0 ? (
          <VirtualList
            label="Commands"
            items={rows}
            keyOf={topicOf}
            rowHeight={isNarrow ? 76 : 52}
            renderRow={(row) => <RunRow row={row} now={now} />}
          />
        ) : (
          <CommandsNotice isLoading={list.topics === undefined} query={query} error={list.error?.message} />
        )}
      </div>
    </div>
  );
}

const topicOf = ({ topic }: TopicRow): string => topic;

function CommandsNotice(props: { isLoading: boolean; query: string; error: string | undefined }): ReactNode {
  if (props.isLoading && props.error !== undefined) {
    return (
      <Notice title="The commands could not be read" role="alert">
        {props.error}
      </Notice>
    );
  }
  if (props.isLoading) return <Notice title="Reading the commands …" role="status" />;
  if (props.query.trim() !== '')
    return <Notice title={`No command matches “${props.query.trim()}”`} role="status" />;
  return (
    <Notice title="No commands yet">
      Run anything through Millrace and watch it here: <code>millrace run -- npm test</code>
    </Notice>
  );
}
