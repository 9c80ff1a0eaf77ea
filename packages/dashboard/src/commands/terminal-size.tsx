import { type ReactNode, useRef } from 'react';
import type { RunControl } from './use-run-control.ts';

interface TerminalSizeProps {
  readonly size: { readonly columns: number; readonly rows: number };
  readonly control: RunControl;
}

const MIN_COLUMNS = 20;
const LINE_HEIGHT_PX = 20;

/** How large the terminal was at the start, and a button that gives it as many columns and rows as there is room for here. */
export function TerminalSize({ size, control }: TerminalSizeProps): ReactNode {
  const ruler = useRef<HTMLSpanElement>(null);
  const fit = (): void => {
    const log = document.querySelector('.run-output');
    const character = (ruler.current?.getBoundingClientRect().width ?? 0) / 10;
    if (log === null || character === 0) return;
    const columns = Math.max(MIN_COLUMNS, Math.floor((log.clientWidth - 90) / character));
    control.resize({ columns, rows: Math.max(5, Math.floor((log.clientHeight - 110) / LINE_HEIGHT_PX)) });
  };
  return (
    <>
      {size.columns} × {size.rows}
      {control.canResize && (
        <button type="button" className="fit-button" title="As large as the space here" onClick={fit}>
          fit
        </button>
      )}
      <span ref={ruler} className="mono fit-ruler" aria-hidden="true">
        0000000000
      </span>
    </>
  );
}
