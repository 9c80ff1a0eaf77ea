import {
  type ClipboardEvent,
  type FormEvent,
  type KeyboardEvent,
  type ReactNode,
  useRef,
  useState,
} from 'react';
import { keyBytes } from './key-bytes.ts';
import type { RunControl } from './use-run-control.ts';
import './run-input.css';

/** Keys that the browser keeps for itself, or that a phone does not have. */
const KEYS = [
  ['Tab', '\t'],
  ['Esc', '\u001b'],
  ['Ctrl-C', '\u0003'],
  ['Ctrl-D', '\u0004'],
  ['↑', '\u001b[A'],
  ['↓', '\u001b[B'],
] as const;

/** Types key by key into a command’s terminal, which shows what was typed itself. */
export function TerminalInput({ control }: { control: RunControl }): ReactNode {
  const field = useRef<HTMLInputElement>(null);
  const [isTyping, setIsTyping] = useState(false);
  const onKeyDown = (event: KeyboardEvent): void => {
    // While a character is composed the browser has the keys.
    if (event.nativeEvent.isComposing) return;
    const bytes = keyBytes(event);
    if (bytes === undefined) return;
    event.preventDefault();
    control.type(bytes);
  };
  const onPaste = (event: ClipboardEvent): void => {
    event.preventDefault();
    control.type(event.clipboardData.getData('text').replaceAll('\n', '\r'));
  };
  // What a phone’s keyboard, or a composition, puts into the field without keys.
  const onInput = (event: FormEvent<HTMLInputElement>): void => {
    if ((event.nativeEvent as InputEvent).isComposing) return;
    control.type(event.currentTarget.value);
    event.currentTarget.value = '';
  };
  const press = (bytes: string): void => {
    control.type(bytes);
    field.current?.focus();
  };
  return (
    <div className="run-input">
      <input
        ref={field}
        type="text"
        className="run-input-line mono"
        aria-label="Type into the terminal"
        aria-description="Every key but Tab goes to the command at once."
        placeholder={isTyping ? 'Every key goes to the command' : 'Type into the terminal'}
        spellCheck={false}
        autoComplete="off"
        autoCapitalize="off"
        onFocus={() => setIsTyping(true)}
        onBlur={() => setIsTyping(false)}
        onKeyDown={onKeyDown}
        onPaste={onPaste}
        onInput={onInput}
        onCompositionEnd={(event) => {
          control.type(event.currentTarget.value);
          event.currentTarget.value = '';
        }}
      />
      <fieldset className="run-input-keys" aria-label="Keys">
        {KEYS.map(([label, bytes]) => (
          <button key={label} type="button" className="button" onClick={() => press(bytes)}>
            {label}
          </button>
        ))}
      </fieldset>
    </div>
  );
}
