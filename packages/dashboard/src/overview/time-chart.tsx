import { type ReactNode, type RefObject, useEffect, useRef, useState } from 'react';
import UPlot from 'uplot';
import { useColorScheme } from '../ui/use-color-scheme.ts';
import { canvasColor } from './canvas-color.ts';
import './time-chart.css';

export interface ChartSeries {
  readonly label: string;
  /** A custom property: `--series-1`. */
  readonly color: string;
  readonly values: readonly (number | null)[];
}

interface TimeChartProps {
  readonly title: string;
  /** Seconds since the Unix epoch. */
  readonly times: readonly number[];
  /** The same ones, in the same order, for the chart's life. */
  readonly series: readonly ChartSeries[];
  /** The top of the scale; the data's own when missing. */
  readonly max?: number;
  readonly format: (value: number) => string;
}

const WINDOW_S = { least: 60, most: 600 } as const;

/** Lines over the last minutes. The legend shows the newest values, or those under the pointer of any chart. */
export function TimeChart({ title, times, series, max, format }: TimeChartProps): ReactNode {
  const frame = useRef<HTMLDivElement>(null);
  const [pointed, setPointed] = useState<number | null>(null);
  usePlot(frame, { times, series, max, format, onPoint: setPointed });
  const index = pointed !== null && pointed < times.length ? pointed : times.length - 1;
  return (
    <section className="time-chart card" aria-label={title}>
      <header className="time-chart-head">
        <h2>{title}</h2>
        <ul className="time-chart-legend figures">
          {series.map(({ label, color, values }) => (
            <li key={label}>
              <span className="time-chart-key" style={{ background: `var(${color})` }} aria-hidden="true" />
              {label}
              <strong>{formatValue(values[index], format)}</strong>
            </li>
          ))}
        </ul>
      </header>
      <div ref={frame} className="time-chart-frame" aria-hidden="true" />
    </section>
  );
}

const formatValue = (value: number | null | undefined, format: (value: number) => string): string =>
  value === null || value === undefined ? '–' : format(value);

interface PlotInput extends Omit<TimeChartProps, 'title' | 'max'> {
  readonly max: number | undefined;
  readonly onPoint: (index: number | null) => void;
}

function usePlot(frame: RefObject<HTMLDivElement | null>, input: PlotInput): void {
  const plot = useRef<UPlot>(null);
  const scheme = useColorScheme();
  const latest = useRef(input);
  latest.current = input;

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new scheme needs new colours, hence a new plot.
  useEffect(() => {
    const element = frame.current;
    if (element === null) return undefined;
    const created = new UPlot(
      plotOptions(element, () => latest.current),
      dataOf(latest.current),
      element,
    );
    plot.current = created;
    const observer = new ResizeObserver(() => {
      if (element.clientWidth > 0) created.setSize(sizeOf(element));
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      created.destroy();
      plot.current = null;
    };
  }, [frame, scheme]);

  const { times, series } = input;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the data is new when one of these is.
  useEffect(() => {
    plot.current?.setData(dataOf(latest.current));
  }, [times, series]);
}

/** The style sheet says how large a chart is. */
function sizeOf({ clientWidth, clientHeight }: HTMLElement): { width: number; height: number } {
  return { width: Math.max(clientWidth, 100), height: Math.max(clientHeight, 100) };
}

function dataOf({ times, series }: PlotInput): UPlot.AlignedData {
  return [times as number[], ...series.map(({ values }) => values as (number | null)[])];
}

function plotOptions(element: HTMLElement, input: () => PlotInput): UPlot.Options {
  const ink = canvasColor(element, 'var(--ink-3)');
  const line = canvasColor(element, 'var(--line)');
  const font = `11px ${getComputedStyle(element).fontFamily}`;
  const axis: UPlot.Axis = { stroke: ink, font, ticks: { show: false }, grid: { stroke: line, width: 1 } };
  return {
    ...sizeOf(element),
    // Room on the right for half of a label that stands at the end.
    padding: [10, 26, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: false, y: false },
      points: { size: 7 },
      sync: { key: 'overview' },
    },
    scales: { x: { range: timeRange }, y: { range: (_plot, _min, max) => [0, input().max ?? topOf(max)] } },
    axes: [
      { ...axis, grid: { show: false }, space: 84, size: 28, values: timeLabels },
      {
        ...axis,
        size: 46,
        space: 36,
        values: (_plot, splits) => splits.map((split) => input().format(split)),
      },
    ],
    series: [
      {},
      ...input().series.map(({ label, color }, index) => ({
        label,
        stroke: canvasColor(element, `var(${color})`),
        width: 1.5,
        points: { show: false },
        ...(index === 0 && {
          fill: canvasColor(element, `color-mix(in oklab, var(${color}) 10%, transparent)`),
        }),
      })),
    ],
    hooks: { setCursor: [(plot) => input().onPoint(plot.cursor.idx ?? null)] },
  };
}

/** At first a minute, then as long as there is data for, up to ten. */
const timeRange: UPlot.Range.Function = (_plot, min, max) => {
  const end = Number.isFinite(max) ? max : Date.now() / 1000;
  const span = Math.min(WINDOW_S.most, Math.max(WINDOW_S.least, end - (Number.isFinite(min) ? min : end)));
  return [end - span, end];
};

/** Leaves room above the line; a line of zeros lies at the bottom. */
const topOf = (max: number): number => (Number.isFinite(max) && max > 0 ? max * 1.2 : 1);

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const clockWithSeconds = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});

const timeLabels: UPlot.Axis.DynamicValues = (_plot, splits) => {
  const isFine = splits.some((split) => split % 60 !== 0);
  return splits.map((split) => (isFine ? clockWithSeconds : clock).format(split * 1000));
};
