import { type FormEvent, type KeyboardEvent, useEffect, useRef, useState } from 'react';
import { Icon } from './icon.tsx';

interface ComposerProps {
  /** An answer is on its way. */
  readonly isBusy: boolean;
  readonly onSend: (text: string) => void;
  readonly onStop: () => void;
}

export function Composer({ isBusy, onSend, onStop }: ComposerProps) {
  const [text, setText] = useState('');
  const field = useRef<HTMLTextAreaElement>(null);
  const canSend = !isBusy && text.trim() !== '';

  useEffect(() => {
    // On a phone the keyboard would cover what there is to read.
    if (window.matchMedia('(pointer: fine)').matches) field.current?.focus();
  }, []);

  const submit = (event?: FormEvent): void => {
    event?.preventDefault();
    if (!canSend) return;
    onSend(text.trim());
    setText('');
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    submit();
  };

  return (
    <form className="composer" onSubmit={submit}>
      <label className="field">
        <span className="visually-hidden">Your message</span>
        <textarea
          ref={field}
          rows={1}
          value={text}
          placeholder="Ask anything"
          onChange={({ target }) => setText(target.value)}
          onKeyDown={onKeyDown}
        />
      </label>
      {isBusy ? (
        <button type="button" className="round" aria-label="Stop" onClick={onStop}>
          <Icon name="stop" />
        </button>
      ) : (
        <button type="submit" className="round" aria-label="Send" disabled={!canSend}>
          <Icon name="send" />
        </button>
      )}
    </form>
  );
}
