import type { MillraceEvent } from './event.ts';
import { encodeSegment } from './segment.ts';
import { namespaceOf } from './topic.ts';

/*
 * What viewers want of something that runs (a command, an LLM answer) is an event on its control topic `control.<id>`, which
 * whoever runs it follows ([CTRL-1]). Only the server writes there, after it has checked who asks. A wildcard never selects
 * the namespace: what somebody types is not for everybody who reads what comes of it.
 */

export const CONTROL_NAMESPACE = 'control';

/** The control topic of what runs under this id. Throws a `RangeError` for an id that no segment can hold. */
export function controlTopicOf(id: string): string {
  return `${CONTROL_NAMESPACE}.${encodeSegment(id)}`;
}

/** Whether a topic or pattern lies in the namespace of control topics. */
export function isControlTopic(topic: string): boolean {
  return namespaceOf(topic) === CONTROL_NAMESPACE;
}

/** Who asked. Missing: the server itself. */
interface Asked {
  readonly user_id?: string;
}

/** The events of control topics, by name. */
export interface ControlEvents {
  /** Typed by a viewer: text, or base64 of bytes that are none. `end` closes the input after it. */
  readonly 'control.stdin': Asked & {
    readonly execution_id: string;
    readonly data: string;
    readonly encoding?: 'base64';
    readonly end?: true;
  };
  /** The size that the viewer's terminal has. Means something only where the command has a terminal. */
  readonly 'control.resize': Asked & { readonly columns: number; readonly rows: number };
  /** To the command and what it started. `signal` is a name such as `SIGINT`. */
  readonly 'control.signal': Asked & { readonly signal: string };
  /**
   * To come to an end: a command gets SIGTERM, and SIGKILL after a grace. Where what runs is told of in a topic that anybody may have
   * named, `topic` is the one for which it was checked who asks.
   */
  readonly 'control.cancel': Asked & {
    readonly id: string;
    readonly reason?: string;
    readonly topic?: string;
  };
}

/** One event of a control topic. */
export type Control = {
  readonly [Name in keyof ControlEvents]: { readonly event: Name; readonly data: ControlEvents[Name] };
}[keyof ControlEvents];

const CONTROL_FIELDS: Readonly<Record<keyof ControlEvents, Readonly<Record<string, 'string' | 'number'>>>> = {
  'control.stdin': { execution_id: 'string', data: 'string' },
  'control.resize': { columns: 'number', rows: 'number' },
  'control.signal': { signal: 'string' },
  'control.cancel': { id: 'string' },
};

/** Reads an event of a control topic; `undefined` for one that this version does not know, which is to be left alone. */
export function readControl({ event, data }: Pick<MillraceEvent, 'event' | 'data'>): Control | undefined {
  if (!Object.hasOwn(CONTROL_FIELDS, event) || typeof data !== 'object' || data === null) return undefined;
  const fields = Object.entries(CONTROL_FIELDS[event as keyof ControlEvents]);
  if (!fields.every(([name, type]) => typeof (data as Record<string, unknown>)[name] === type))
    return undefined;
  // Its fields were just checked; the others are optional.
  return { event, data } as Control;
}
