/** A key that was pressed, as the browser tells it. */
export interface PressedKey {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly altKey: boolean;
  readonly metaKey: boolean;
}

const ESCAPE = '\u001b';

const NAMED: Readonly<Record<string, string>> = {
  Enter: '\r',
  Backspace: '\u007f',
  Escape: ESCAPE,
  ArrowUp: `${ESCAPE}[A`,
  ArrowDown: `${ESCAPE}[B`,
  ArrowRight: `${ESCAPE}[C`,
  ArrowLeft: `${ESCAPE}[D`,
  Home: `${ESCAPE}[H`,
  End: `${ESCAPE}[F`,
  PageUp: `${ESCAPE}[5~`,
  PageDown: `${ESCAPE}[6~`,
  Delete: `${ESCAPE}[3~`,
};

/** What a terminal sends for a key; `undefined` for those that are the browser's, such as Tab, which leads on to the next field. */
export function keyBytes({ key, ctrlKey, altKey, metaKey }: PressedKey): string | undefined {
  if (metaKey) return undefined;
  if (ctrlKey && !altKey) return controlCharacter(key);
  const text = NAMED[key] ?? ([...key].length === 1 ? key : undefined);
  if (text === undefined) return undefined;
  return altKey && !ctrlKey ? `${ESCAPE}${text}` : text;
}

/** Ctrl and a letter: its number in the alphabet. Ctrl-V stays the browser's, which pastes. */
function controlCharacter(key: string): string | undefined {
  if (!/^[a-z]$/i.test(key) || key.toLowerCase() === 'v') return undefined;
  return String.fromCharCode(key.toUpperCase().charCodeAt(0) - 64);
}
