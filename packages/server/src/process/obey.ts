import { Buffer } from 'node:buffer';
import { constants } from 'node:os';
import type { Control } from '@millrace/protocol';
import type { Execution } from './execution.ts';

/** What viewers may do to an execution, beside cancelling it and sending it signals. */
export interface ControlRights {
  readonly stdin: boolean;
  readonly resize: boolean;
}

/** The names under which `tool.started` says what viewers may do. */
export function controlNames({ stdin, resize }: ControlRights): readonly string[] {
  return ['cancel', 'signal', ...(stdin ? ['stdin'] : []), ...(resize ? ['resize'] : [])];
}

/** Does to an execution what one event of its control topic says. What it does not know, or may not, it leaves alone. */
export function obey(execution: Execution, { event, data }: Control, rights: ControlRights): void {
  switch (event) {
    case 'control.cancel':
      // It was checked who may stop what is said in that topic, whose publishers give their answers any id; not who may stop a command.
      if (data.topic !== undefined) return;
      execution.cancel({ reason: 'cancelled', by: data.user_id, note: data.reason });
      return;
    case 'control.signal':
      if (Object.hasOwn(constants.signals, data.signal)) execution.signal(data.signal as NodeJS.Signals);
      return;
    case 'control.resize':
      if (rights.resize) execution.resize(data);
      return;
    case 'control.stdin':
      if (!rights.stdin) return;
      execution.write(Buffer.from(data.data, data.encoding ?? 'utf8'));
      if (data.end) execution.endInput();
  }
}
