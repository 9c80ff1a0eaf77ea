import Anser from 'anser';

/** A stretch of a line that looks the same throughout. */
export interface AnsiSpan {
  readonly text: string;
  /** Classes `ansi-…`, for the sixteen colours that belong to the theme and for decorations. */
  readonly className: string;
  /** Colours that the program named itself (palette and true colour). */
  readonly color?: string;
  readonly background?: string;
}

const ESC = '\u001b';
const SGR = new RegExp(`${ESC}\\[([\\d;]*)m`, 'g');
/*
 * Everything a terminal acts on and a log cannot: window titles and links (OSC), cursor and screen commands (CSI that is
 * not SGR), character sets and other two-byte escapes, and control characters except tab and ESC.
 */
const TERMINAL_COMMANDS = new RegExp(
  [
    `${ESC}\\][^\\u0007${ESC}]*(?:\\u0007|${ESC}\\\\|$)`,
    `${ESC}\\[[0-?]*[ -/]*[@-ln-~]`,
    `${ESC}\\[[0-?]*[:<=>?][0-?]*[ -/]*m`,
    `${ESC}[^\\[\\]][0-9A-Z]?`,
    '[\\u0000-\\u0008\\u000b-\\u001a\\u001c-\\u001f\\u007f]',
  ].join('|'),
  'g',
);

/** The text without terminal commands; colours and decorations (SGR) stay. */
export function withoutTerminalCommands(text: string): string {
  return text.replace(TERMINAL_COMMANDS, '');
}

/** The text as it reads, without any escape. */
export function plainText(text: string): string {
  return text.includes(ESC) ? text.replace(SGR, '') : text;
}

/** What switches a decoration off again: 22 ends both bold and faint. */
const ENDS: Readonly<Record<string, readonly string[]>> = {
  '21': ['1'],
  '22': ['1', '2'],
  '23': ['3'],
  '24': ['4'],
  '25': ['5'],
  '27': ['7'],
  '28': ['8'],
  '29': ['9'],
};

/** `style` is the SGR parameters in force before `text`; the result those in force after it. Bounded: one of each kind. */
export function styleAfter(style: string, text: string): string {
  if (!text.includes(ESC)) return style;
  const inForce = new Map<string, string>();
  applySgr(inForce, style);
  for (const [, parameters] of text.matchAll(SGR))
    applySgr(inForce, parameters === '' ? '0' : (parameters ?? '0'));
  return [...inForce.values()].join(';');
}

function applySgr(inForce: Map<string, string>, parameters: string): void {
  const codes = parameters.split(';');
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] ?? '';
    const number = Number(code);
    if (code === '38' || code === '48') {
      const length = codes[i + 1] === '5' ? 3 : 5;
      inForce.set(code === '38' ? 'color' : 'background', codes.slice(i, i + length).join(';'));
      i += length - 1;
    } else if (number === 0 && parameters !== '') inForce.clear();
    else if (number >= 1 && number <= 9) inForce.set(code, code);
    else if (ENDS[code] !== undefined) for (const ended of ENDS[code]) inForce.delete(ended);
    else if (number === 39) inForce.delete('color');
    else if (number === 49) inForce.delete('background');
    else if ((number >= 30 && number <= 37) || (number >= 90 && number <= 97)) inForce.set('color', code);
    else if ((number >= 40 && number <= 47) || (number >= 100 && number <= 107))
      inForce.set('background', code);
  }
}

/** The spans of a line that begins with the SGR parameters `style` in force. */
export function ansiSpans(style: string, text: string): readonly AnsiSpan[] {
  if (style === '' && !text.includes(ESC)) return [{ text, className: '' }];
  const styled = style === '' ? text : `${ESC}[${style}m${text}`;
  return Anser.ansiToJson(styled, { use_classes: true, remove_empty: true, json: true }).map(spanOf);
}

function spanOf(entry: Anser.AnserJsonEntry): AnsiSpan {
  // The parser has swapped text and ground already where the program asked for it (SGR 7).
  const { fg, bg } = entry;
  const color = ownColor(fg, entry.fg_truecolor);
  const background = ownColor(bg, entry.bg_truecolor);
  const classes = entry.decorations.map((name) => `ansi-${name}`);
  if (fg && color === undefined) classes.push(`${fg}-fg`);
  if (bg && background === undefined) classes.push(`${bg}-bg`);
  return {
    text: entry.content,
    className: classes.join(' '),
    ...(color !== undefined && { color }),
    ...(background !== undefined && { background }),
  };
}

function ownColor(name: string | null, trueColor: string | null): string | undefined {
  if (name === 'ansi-truecolor' && trueColor) return `rgb(${trueColor})`;
  const index = /^ansi-palette-(\d+)$/.exec(name ?? '')?.[1];
  return index === undefined ? undefined : paletteColor(Number(index));
}

/** Colours 16–255 of xterm's palette: a cube of six steps each way, then 24 greys. */
function paletteColor(index: number): string {
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return `rgb(${grey}, ${grey}, ${grey})`;
  }
  const step = (value: number): number => (value === 0 ? 0 : 55 + value * 40);
  const cube = index - 16;
  return `rgb(${step(Math.floor(cube / 36))}, ${step(Math.floor(cube / 6) % 6)}, ${step(cube % 6)})`;
}
