import type { ReactNode } from 'react';
import { formatDateTime, formatDuration } from '../ui/format.ts';
import { useNow } from '../ui/use-now.ts';
import type { Run } from './run.ts';

export function RunFacts({ run, topic }: { run: Run; topic: string }): ReactNode {
  const now = useNow(1000, run.outcome.kind === 'running');
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['Duration', formatOptional(runDuration(run, now), formatDuration)],
    ['Started', formatOptional(run.startedAt, formatDateTime)],
    ['Folder', run.cwd],
    ['Process', formatOptional(run.pid, String)],
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
