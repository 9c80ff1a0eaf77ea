import type { ReactNode } from 'react';
import { Sparkline } from './sparkline.tsx';
import './stat-tile.css';

interface StatTileProps {
  readonly label: string;
  readonly value: string;
  readonly unit?: string;
  /** What puts the figure into proportion. */
  readonly detail: string;
  readonly history: readonly (number | null)[];
  readonly max?: number;
}

/** One figure, now, with where it came from. */
export function StatTile({ label, value, unit, detail, history, max }: StatTileProps): ReactNode {
  return (
    <div className="stat-tile card">
      <dt>{label}</dt>
      <dd>
        <span className="stat-value figures">
          {value}
          {unit !== undefined && <span className="stat-unit">{unit}</span>}
        </span>
        <Sparkline values={history} max={max} />
        <span className="stat-detail figures">{detail}</span>
      </dd>
    </div>
  );
}
