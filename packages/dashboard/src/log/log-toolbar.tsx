import { type KeyboardEvent, type ReactNode, useEffect, useRef } from 'react';
import { formatCount } from '../ui/format.ts';
import { CopyIcon, DownIcon, DownloadIcon, PauseIcon, PlayIcon, UpIcon, WrapIcon } from '../ui/icons.tsx';
import { SearchField } from '../ui/search-field.tsx';
import type { LogSearchState } from './use-log-search.ts';
import './log-toolbar.css';

interface LogToolbarProps {
  readonly search: LogSearchState;
  readonly isRunning: boolean;
  readonly isPaused: boolean;
  /** Lines that have come since the pause. */
  readonly waiting: number;
  readonly isWrapped: boolean;
  readonly onPause: (paused: boolean) => void;
  readonly onWrap: (wrapped: boolean) => void;
  readonly onCopy: () => void;
  readonly onDownload: () => void;
}

export function LogToolbar(props: LogToolbarProps): ReactNode {
  const { search, isRunning, isPaused, waiting, isWrapped } = props;
  const showPause = isRunning || isPaused;
  return (
    <div className="log-toolbar">
      <LogSearchField search={search} />
      <div className="log-buttons">
        {showPause && (
          <button
            type="button"
            className="button"
            aria-pressed={isPaused}
            onClick={() => props.onPause(!isPaused)}
          >
            {isPaused ? <PlayIcon /> : <PauseIcon />}
            {isPaused ? `Resume${waiting > 0 ? ` (${formatCount(waiting)} new)` : ''}` : 'Pause'}
          </button>
        )}
        <button
          type="button"
          className="button icon"
          aria-label="Wrap long lines"
          title="Wrap long lines"
          aria-pressed={isWrapped}
          onClick={() => props.onWrap(!isWrapped)}
        >
          <WrapIcon />
        </button>
        <button
          type="button"
          className="button icon"
          aria-label="Copy"
          title="Copy all lines"
          onClick={props.onCopy}
        >
          <CopyIcon />
        </button>
        <button
          type="button"
          className="button icon"
          aria-label="Download"
          title="Download the exact output"
          onClick={props.onDownload}
        >
          <DownloadIcon />
        </button>
      </div>
    </div>
  );
}

function LogSearchField({ search }: { search: LogSearchState }): ReactNode {
  const { query, setQuery, matchCount, at, step } = search;
  const input = useRef<HTMLInputElement>(null);
  useFindShortcut(() => input.current?.select());
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Enter') step(event.shiftKey ? -1 : 1);
  };
  return (
    <SearchField
      label="Find in output"
      value={query}
      onChange={setQuery}
      onKeyDown={onKeyDown}
      inputRef={input}
    >
      {query !== '' && (
        <>
          <span className="log-matches figures" role="status">
            {at === -1 ? formatCount(matchCount) : `${formatCount(at + 1)} of ${formatCount(matchCount)}`}
          </span>
          <button
            type="button"
            className="search-field-clear"
            aria-label="Previous match"
            onClick={() => step(-1)}
          >
            <UpIcon />
          </button>
          <button
            type="button"
            className="search-field-clear"
            aria-label="Next match"
            onClick={() => step(1)}
          >
            <DownIcon />
          </button>
        </>
      )}
    </SearchField>
  );
}

/** The browser's own search finds only the lines in sight. */
function useFindShortcut(onFind: () => void): void {
  useEffect(() => {
    const onKeyDown = (event: globalThis.KeyboardEvent): void => {
      if (event.key !== 'f' || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      onFind();
    };
    window.addEventListener('keydown', onKeyDown);
    return () => window.removeEventListener('keydown', onKeyDown);
  });
}
