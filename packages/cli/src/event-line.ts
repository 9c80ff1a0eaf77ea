import { styleText } from 'node:util';
import type { MillraceEvent } from '@millrace/protocol';

type Style = Parameters<typeof styleText>[0];

function styleOf(event: string): Style {
  if (/(^|[._])(failed|error|conflict)($|[._])/.test(event)) return 'red';
  if (/(^|[._])(completed|end)($|[._])/.test(event)) return 'green';
  return 'yellow';
}

export function timeOf(timestamp: string): string {
  const time = new Date(timestamp);
  const two = (value: number): string => String(value).padStart(2, '0');
  const ms = String(time.getMilliseconds()).padStart(3, '0');
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${ms}`;
}

/** JSON escapes the C0 control characters; DEL and C1 could still drive a terminal. */
export function printable(json: string): string {
  return json.replace(
    /[\u007f-\u009f]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

type Paint = (style: Style, text: string) => string;

function painter(colours: boolean): Paint {
  return (style, text) => (colours ? styleText(style, text, { validateStream: false }) : text);
}

/** One event for people: local time, topic, event and compact data. */
export function formatEvent(event: MillraceEvent, colours: boolean): string {
  const paint = painter(colours);
  const parts = [
    paint('dim', timeOf(event.timestamp)),
    paint('cyan', event.topic),
    paint(styleOf(event.event), printable(event.event)),
  ];
  if (event.key !== undefined) parts.push(paint('magenta', `[${printable(event.key)}]`));
  parts.push(printable(JSON.stringify(event.data)));
  if (event.sealed) parts.push(paint('dim', '(sealed)'));
  return parts.join('  ');
}

/** One state for people: position, topic, view and compact state. */
export function formatSnapshot(
  { position, topic, view, state }: { position: string; topic: string; view: string; state: unknown },
  colours: boolean,
): string {
  const paint = painter(colours);
  const parts = [paint('dim', `up to ${position}`), paint('cyan', topic), paint('blue', `(${view})`)];
  return [...parts, printable(JSON.stringify(state))].join('  ');
}

/** Colours only for people: on a terminal, unless NO_COLOR says otherwise. */
export function wantsColours(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
}
