import type { ReactNode } from 'react';
import { routeHref } from '../app/route.ts';
import type { TopicRow } from '../topics/topic-rows.ts';
import { formatAge, formatDateTime, formatDuration } from '../ui/format.ts';
import { RunBadge } from './run-badge.tsx';
import { runDuration } from './run-facts.tsx';
import { useRunSummary } from './use-run-summary.ts';

/** One run in the list. */
export function RunRow({ row, now }: { row: TopicRow; now: number }): ReactNode {
  const run = useRunSummary(row);
  const duration = run && runDuration(run, now);
  // What could not be started has only an end.
  const started = run?.startedAt ?? run?.endedAt;
  return (
    <a className="run-row run-grid" href={routeHref({ view: 'run', topic: row.topic })}>
      <span className="run-cell-state">{run !== undefined && <RunBadge outcome={run.outcome} />}</span>
      <span className="run-cell-command">
        <span className="mono">{run?.command ?? row.topic}</span>
        {run?.cwd !== undefined && <span className="run-cwd quiet">{run.cwd}</span>}
      </span>
      <span className="run-cell-duration figures">
        {duration === undefined ? '–' : formatDuration(duration)}
      </span>
      <span className="run-cell-started figures quiet" title={started && formatDateTime(started)}>
        {started === undefined ? '–' : formatAge(now - Date.parse(started))}
      </span>
    </a>
  );
}
