import type { ReactNode } from 'react';
import { formatDateTime, formatDuration } from '../ui/format.ts';
import { useNow } from '../ui/use-now.ts';
import type { Run } from './run.ts';
import { TerminalSize } from './terminal-size.tsx';
import type { RunControl } from './use-run-control.ts';

interface RunFactsProps {
  readonly run: Run;
  readonly topic: string;
  readonly control: RunControl;
}

export function RunFacts({ run, topic, control }: RunFactsProps): ReactNode {
  const now = useNow(1000, run.outcome.kind === 'running');
  const facts: readonly (readonly [string, ReactNode])[] = [
    ['Duration', formatOptional(runDuration(run, now), formatDuration)],
    ['Started', formatOptional(run.startedAt, formatDateTime)],
    ['Folder', run.cwd],
    ['Process', formatOptional(run.pid, String)],
    ['Terminal', run.pty && <TerminalSize size={run.pty} control={control} />],
    ['Cancelled by', run.outcome.kind === 'stopped' ? run.outcome.by : undefined],
    ['Topic', topic],
  ];
  return (
    <dl className="facts card figures">
      {facts.map(
        ([label, value]) =>
          value !== undefined && (
            <div key={label} data-fact={label}>
              <dt>{label}</dt>
              <dd>{value}</dd>
            </div>
          ),
      )}
    </dl>
  );
}

const formatOptional = <Value,>(
  value: Value | undefined,
  format: (value: Value) => string,
): string | undefined => (value === undefined ? undefined : format(value));

/** Milliseconds it took, or has taken so far by this machine's clock. */
export function runDuration(run: Run, now: number): number | undefined {
  if (run.durationMs !== undefined) return run.durationMs;
  if (run.startedAt === undefined) return undefined;
  const end = run.endedAt === undefined ? now : Date.parse(run.endedAt);
  return Math.max(0, end - Date.parse(run.startedAt));
}
