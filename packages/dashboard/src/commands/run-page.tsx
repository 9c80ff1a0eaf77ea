import { type ReactNode, useState } from 'react';
import { toast } from 'sonner';
import { useApi } from '../app/api-context.tsx';
import { routeHref } from '../app/route.ts';
import { useGapToasts } from '../app/use-error-toasts.ts';
import { readExactOutput, saveFile } from '../log/download-output.ts';
import { logText } from '../log/log-buffer.ts';
import { LogToolbar } from '../log/log-toolbar.tsx';
import { LogView } from '../log/log-view.tsx';
import { useLogSearch } from '../log/use-log-search.ts';
import { type RunLog, useRunLog } from '../log/use-run-log.ts';
import { copyText } from '../ui/copy-text.ts';
import { formatCount, formatCountOf } from '../ui/format.ts';
import { BackIcon } from '../ui/icons.tsx';
import { Notice } from '../ui/notice.tsx';
import { useIsNarrow } from '../ui/use-is-narrow.ts';
import { CancelButton } from './cancel-button.tsx';
import { RunBadge } from './run-badge.tsx';
import { RunFacts } from './run-facts.tsx';
import { RunInput } from './run-input.tsx';
import { TerminalInput } from './terminal-input.tsx';
import { type RunControl, useRunControl } from './use-run-control.ts';
import './run-page.css';

/** One command: what it is, how it stands, and everything it has written. */
export function RunPage({ topic }: { topic: string }): ReactNode {
  const log = useRunLog(topic);
  useGapToasts(log.feed);
  const { run } = log;
  const control = useRunControl(run);
  return (
    <div className="page">
      <header className="page-head">
        <div className="title-row">
          <a className="button icon bare" href={routeHref({ view: 'commands' })} aria-label="All commands">
            <BackIcon />
          </a>
          <h1 className="mono" title={run.command}>
            {run.command ?? topic}
          </h1>
          <span role="status">{log.version > 0 && <RunBadge outcome={run.outcome} />}</span>
        </div>
        <div className="title-actions">
          {control.canCancel && <CancelButton onCancel={control.cancel} />}
          <a className="button" href={routeHref({ view: 'topic', topic })}>
            Show events
          </a>
        </div>
      </header>
      <RunFacts run={run} topic={topic} control={control} />
      {run.outcome.kind === 'failed' && (
        <p className="run-failure" role="alert">
          {run.outcome.message}
        </p>
      )}
      <RunOutput topic={topic} log={log} control={control} />
    </div>
  );
}

function RunOutput({ topic, log, control }: RunOutputProps): ReactNode {
  const { buffer, version, run } = log;
  const api = useApi();
  const [isWrapped, setIsWrapped] = useState(useIsNarrow());
  const [pausedAt, setPausedAt] = useState<number>();
  const search = useLogSearch(buffer, version);
  const total = buffer.lines.length;
  // Lines are counted over all of the output, so that a pause outlives the dropping of old ones.
  const count = pausedAt === undefined ? total : Math.max(0, Math.min(total, pausedAt - buffer.dropped));

  const download = async (): Promise<void> => {
    try {
      saveFile(await readExactOutput(api, topic), `${topic}.log`);
    } catch (error) {
      toast.error(`The output could not be read: ${(error as Error).message}`);
    }
  };
  return (
    <section className="run-output card" aria-label="Output">
      <LogToolbar
        search={search}
        isRunning={run.outcome.kind === 'running'}
        isPaused={pausedAt !== undefined}
        waiting={total - count}
        isWrapped={isWrapped}
        onPause={(paused) => setPausedAt(paused ? buffer.dropped + total : undefined)}
        onWrap={setIsWrapped}
        onCopy={() => void copyText(logText(buffer.lines), `${formatCountOf(total, 'line')} copied`)}
        onDownload={() => void download()}
      />
      {buffer.dropped > 0 && (
        <p className="run-dropped">
          The first {formatCount(buffer.dropped)} lines are not shown. The download has all of them.
        </p>
      )}
      {count > 0 ? (
        <LogView
          lines={buffer.lines}
          count={count}
          version={version}
          dropped={buffer.dropped}
          isWrapped={isWrapped}
          query={search.query.toLowerCase()}
          current={search.line}
        />
      ) : (
        <OutputNotice log={log} />
      )}
      {control.canType &&
        (run.pty === undefined ? <RunInput control={control} /> : <TerminalInput control={control} />)}
    </section>
  );
}

interface RunOutputProps {
  readonly topic: string;
  readonly log: RunLog;
  readonly control: RunControl;
}

function OutputNotice({ log }: { log: RunLog }): ReactNode {
  const { feed, run } = log;
  if (feed.phase === 'failed') {
    return (
      <Notice title="This command cannot be read" role="alert">
        {feed.error?.message}
      </Notice>
    );
  }
  if (feed.phase === 'opening') return <Notice title="Reading the output …" role="status" />;
  if (run.outcome.kind !== 'running') return <Notice title="No output" />;
  return <Notice title="No output yet">It appears here as soon as the command writes some.</Notice>;
}
