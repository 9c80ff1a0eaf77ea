import { decodeSegment } from '@millrace/protocol';
import { type ReactNode, useState } from 'react';
import { useTopicList } from '../topics/use-topic-list.ts';
import { Notice } from '../ui/notice.tsx';
import { HostFigures } from './host-figures.tsx';
import './overview-page.css';

const REFRESH_MS = { waiting: 1500, settled: 30_000 } as const;

/** The figures of one host; of several, the one chosen. */
export function OverviewPage(): ReactNode {
  const [isSettled, setIsSettled] = useState(false);
  const { topics, error } = useTopicList('host.*', isSettled ? REFRESH_MS.settled : REFRESH_MS.waiting);
  const [chosen, setChosen] = useState<string>();
  const hosts = (topics ?? []).map(({ topic }) => topic).sort();
  if (hosts.length > 0 && !isSettled) setIsSettled(true);
  const host = hosts.find((topic) => topic === chosen) ?? hosts[0];
  return (
    <div className="page">
      <header className="page-head">
        <h1>Overview</h1>
        {host !== undefined && <HostChoice hosts={hosts} host={host} onChoose={setChosen} />}
      </header>
      {host !== undefined && <HostFigures key={host} topic={host} />}
      {host === undefined && topics !== undefined && (
        <Notice title="No host figures yet" role="status">
          The server publishes them every second on <code>host.*</code>; this token may not read it, or they
          are switched off.
        </Notice>
      )}
      {host === undefined && topics === undefined && error !== undefined && (
        <Notice title="The topics could not be read" role="alert">
          {error.message}
        </Notice>
      )}
    </div>
  );
}

interface HostChoiceProps {
  readonly hosts: readonly string[];
  readonly host: string;
  readonly onChoose: (host: string) => void;
}

function HostChoice({ hosts, host, onChoose }: HostChoiceProps): ReactNode {
  if (hosts.length === 1) return <span className="mono quiet">{hostName(host)}</span>;
  return (
    <select
      className="host-choice"
      aria-label="Host"
      value={host}
      onChange={(event) => onChoose(event.target.value)}
    >
      {hosts.map((topic) => (
        <option key={topic} value={topic}>
          {hostName(topic)}
        </option>
      ))}
    </select>
  );
}

/** `host.build-7_2eexample` → `build-7.example` */
function hostName(topic: string): string {
  const segment = topic.slice('host.'.length);
  return decodeSegment(segment) ?? segment;
}
