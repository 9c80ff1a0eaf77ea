import type { KeyboardEvent, ReactNode, Ref } from 'react';
import { CloseIcon, SearchIcon } from './icons.tsx';
import './search-field.css';

interface SearchFieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly onKeyDown?: (event: KeyboardEvent<HTMLInputElement>) => void;
  readonly inputRef?: Ref<HTMLInputElement>;
  /** What stands inside, at the end: a count, or buttons. */
  readonly children?: ReactNode;
}

/** Escape empties it. */
export function SearchField(props: SearchFieldProps): ReactNode {
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>): void => {
    if (event.key === 'Escape' && props.value !== '') {
      event.preventDefault();
      props.onChange('');
    }
    props.onKeyDown?.(event);
  };
  return (
    <div className="search-field">
      <SearchIcon />
      <input
        ref={props.inputRef}
        type="search"
        aria-label={props.label}
        placeholder={props.label}
        value={props.value}
        spellCheck={false}
        autoComplete="off"
        onChange={(event) => props.onChange(event.target.value)}
        onKeyDown={onKeyDown}
      />
      {props.children}
      {props.value !== '' && (
        <button
          type="button"
          className="search-field-clear"
          aria-label="Clear"
          onClick={() => props.onChange('')}
        >
          <CloseIcon />
        </button>
      )}
    </div>
  );
}
