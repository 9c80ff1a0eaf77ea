import type { ReactNode } from 'react';
import type { TopicSort } from './topic-rows.ts';

const COLUMNS: readonly { readonly sort: TopicSort; readonly label: string; readonly className: string }[] = [
  { sort: 'name', label: 'Topic', className: 'topic-cell-name' },
  { sort: 'events', label: 'Events', className: 'topic-cell-events' },
  { sort: 'size', label: 'Size', className: 'topic-cell-size' },
  { sort: 'recent', label: 'Newest', className: 'topic-cell-newest' },
];

interface TopicListHeadProps {
  readonly sort: TopicSort;
  readonly onSort: (sort: TopicSort) => void;
}

/** The columns' names, which are also what to sort by. */
export function TopicListHead({ sort, onSort }: TopicListHeadProps): ReactNode {
  return (
    <fieldset className="topic-list-head topic-grid">
      <legend className="visually-hidden">Sort topics by</legend>
      {COLUMNS.map((column) => (
        <button
          key={column.sort}
          type="button"
          className={column.className}
          aria-pressed={sort === column.sort}
          onClick={() => onSort(column.sort)}
        >
          {column.label}
        </button>
      ))}
    </fieldset>
  );
}
