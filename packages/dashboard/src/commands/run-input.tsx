import { type FormEvent, type ReactNode, useState } from 'react';
import type { RunControl } from './use-run-control.ts';
import './run-input.css';

/** Types lines into a command without a terminal. */
export function RunInput({ control }: { control: RunControl }): ReactNode {
  const [line, setLine] = useState('');
  const [hasEnded, setHasEnded] = useState(false);
  const onSubmit = (event: FormEvent): void => {
    event.preventDefault();
    control.type(`${line}\n`);
    setLine('');
  };
  const end = (): void => {
    control.endInput();
    setHasEnded(true);
  };
  return (
    <form className="run-input" onSubmit={onSubmit}>
      <input
        type="text"
        className="run-input-line mono"
        aria-label="Type into the command"
        placeholder={hasEnded ? 'The input has ended' : 'Type a line, Enter sends it'}
        value={line}
        disabled={hasEnded}
        spellCheck={false}
        autoComplete="off"
        autoCapitalize="off"
        onChange={(event) => setLine(event.target.value)}
      />
      <button type="submit" className="button" disabled={hasEnded}>
        Send
      </button>
      <button
        type="button"
        className="button"
        title="Nothing more will be typed (Ctrl-D)"
        disabled={hasEnded}
        onClick={end}
      >
        End input
      </button>
    </form>
  );
}
