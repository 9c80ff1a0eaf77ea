import type { ReactNode } from 'react';

interface SparklineProps {
  readonly values: readonly (number | null)[];
  /** What stands at the top; the largest value when missing. */
  readonly max?: number | undefined;
}

const WIDTH = 100;
const HEIGHT = 28;

/** The shape of the last values, without axes. Decoration: the figure beside it says the same. */
export function Sparkline({ values, max }: SparklineProps): ReactNode {
  const line = sparklinePath(values, max);
  return (
    <svg
      className="sparkline"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      {line !== '' && <path className="sparkline-area" d={`${line}V${HEIGHT}H0Z`} />}
      <path className="sparkline-line" d={line} vectorEffect="non-scaling-stroke" />
    </svg>
  );
}

function sparklinePath(values: readonly (number | null)[], max: number | undefined): string {
  const known = values.filter((value) => value !== null);
  if (known.length < 2) return '';
  const top = Math.max(max ?? 0, ...(max === undefined ? known : []), Number.MIN_VALUE);
  const points = known.map((value, index) => {
    const x = (index / (known.length - 1)) * WIDTH;
    const y = HEIGHT - 1.5 - (Math.min(value, top) / top) * (HEIGHT - 3);
    return `${x.toFixed(2)} ${y.toFixed(2)}`;
  });
  return `M${points.join('L')}`;
}
