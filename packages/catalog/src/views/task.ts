import type { MillraceEvent } from '@millrace/protocol';
import type { View } from '../view.ts';
import { type Fields, fieldsOf, numbers, texts } from './event-data.ts';

/** How a task stands. */
export interface Task {
  readonly task_id?: string;
  readonly task_name?: string;
  readonly parent_id?: string;
  /** `pending` until something is heard of it, then `running`, `completed` or `failed`, or what the application calls it. */
  readonly status: string;
  /** From 0 to 100. */
  readonly progress: number;
  readonly message?: string;
  readonly current_step?: string | number;
  readonly total_steps?: number;
  /** At `updated_at`. */
  readonly eta_seconds?: number;
  readonly assignee?: string;
  /** Why it failed. */
  readonly error?: string;
  readonly result?: unknown;
  readonly duration_ms?: number;
  /** ISO 8601. */
  readonly started_at?: string;
  /** When it was last heard of. */
  readonly updated_at?: string;
}

const NEW: Task = { status: 'pending', progress: 0 };

/** The task of a topic; where a topic has several, the one that was last heard of. */
export const taskView: View<Task> = {
  name: 'task',
  version: 1,
  holdsLog: true,
  initial: () => NEW,
  fold: (task, event) => {
    const data = fieldsOf(event);
    const { task_id } = texts(data, 'task_id');
    const other = task_id !== undefined && task.task_id !== undefined && task_id !== task.task_id;
    // An estimate that is not given again holds no more.
    const { eta_seconds: _, ...known } = other ? NEW : task;
    return {
      ...known,
      ...changeOf(event, data),
      ...texts(data, 'task_id', 'task_name'),
      updated_at: event.timestamp,
    };
  },
};

function changeOf({ event, timestamp }: MillraceEvent, data: Fields): Partial<Task> {
  switch (event) {
    case 'task.started':
      return {
        status: 'running',
        progress: 0,
        started_at: timestamp,
        ...texts(data, 'parent_id'),
        ...numbers(data, 'total_steps'),
      };
    case 'task.progress':
      return { status: 'running', ...progressOf(data) };
    case 'task.status':
      return texts(data, 'status', 'message');
    case 'task.assigned':
      return texts(data, 'assignee');
    case 'task.completed':
      return { status: 'completed', progress: 100, ...endOf(data) };
    case 'task.failed':
      return { status: 'failed', ...numbers(data, 'progress'), ...endOf(data) };
    default:
      return {};
  }
}

function progressOf(data: Fields): Partial<Task> {
  return {
    ...texts(data, 'message', 'current_step'),
    ...numbers(data, 'progress', 'current_step', 'total_steps', 'eta_seconds'),
  };
}

function endOf(data: Fields): Partial<Task> {
  return {
    ...texts(data, 'message', 'error'),
    ...numbers(data, 'duration_ms'),
    ...(data.result !== undefined && { result: data.result }),
  };
}
