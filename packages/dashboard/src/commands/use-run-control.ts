import { useCallback, useEffect, useRef, useState } from 'react';
import { toast } from 'sonner';
import type { Api } from '../app/api.ts';
import { useApi } from '../app/api-context.tsx';
import type { Run } from './run.ts';

/** What is typed within so long is sent together, so that fast typing is few requests, and stays in order. */
const TYPING_MS = 40;

/** While its events are being replayed a command that has ended looks as if it ran. */
const SETTLED_MS = 300;

export interface RunControl {
  readonly canCancel: boolean;
  readonly canType: boolean;
  readonly canResize: boolean;
  cancel(): void;
  type(text: string): void;
  /** Nothing more will be typed. */
  endInput(): void;
  resize(size: { columns: number; rows: number }): void;
}

/** What this token may do to a command that runs. The server is asked once, and decides each time. */
export function useRunControl(run: Run): RunControl {
  const api = useApi();
  const isPermitted = useIsPermitted(api, run);
  const queue = useRef(Promise.resolve());
  const typed = useRef('');
  const { executionId: id = '', control = [] } = run;
  const does = (what: string): boolean => isPermitted && control.includes(what);

  const send = useCallback((what: string, request: () => Promise<unknown>): void => {
    queue.current = queue.current.then(request).then(
      () => {},
      (error: Error) => void toast.error(`${what}: ${error.message}`),
    );
  }, []);
  const type = useCallback(
    (text: string): void => {
      const isFirst = typed.current === '';
      typed.current += text;
      if (!isFirst) return;
      setTimeout(() => {
        const data = typed.current;
        typed.current = '';
        send('What you typed was not sent', () => api.typeInto(id, { data }));
      }, TYPING_MS);
    },
    [api, id, send],
  );
  return {
    canCancel: does('cancel'),
    canType: does('stdin'),
    canResize: does('resize'),
    type,
    cancel: () => send('The command was not cancelled', () => api.cancelProcess(id)),
    endInput: () => send('The input was not ended', () => api.typeInto(id, { data: '', end: true })),
    resize: (size) => send('The terminal was not resized', () => api.resizeProcess(id, size)),
  };
}

function useIsPermitted(api: Api, { executionId, control, outcome }: Run): boolean {
  const [permitted, setPermitted] = useState<string>();
  const asked = outcome.kind === 'running' && control !== undefined ? executionId : undefined;
  useEffect(() => {
    if (asked === undefined) return undefined;
    const stop = new AbortController();
    const timer = setTimeout(() => {
      api.process(asked, stop.signal).then(
        () => setPermitted(asked),
        // Who may not is shown no buttons.
        () => {},
      );
    }, SETTLED_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [api, asked]);
  return asked !== undefined && permitted === asked;
}
