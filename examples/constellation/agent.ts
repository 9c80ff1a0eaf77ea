import type { MillraceEvents } from '@millrace/catalog';
import { type Random, rounded, Walk } from './random.ts';
import type { Publication, Source } from './source.ts';

type AgentStatus = MillraceEvents['agent_status'];

export const AGENT_NAMES = [
  'Scout',
  'Archivist',
  'Weaver',
  'Sentinel',
  'Cartographer',
  'Mediator',
  'Gardener',
  'Translator',
  'Auditor',
  'Composer',
  'Librarian',
  'Navigator',
  'Healer',
  'Chronicler',
] as const;

const TASK_TYPES = [
  'summarise',
  'harmonise',
  'index',
  'reconcile',
  'forecast',
  'translate',
  'audit',
] as const;

interface Task {
  readonly id: string;
  readonly type: string;
  /** How long it takes, in seconds, if nothing comes in between. */
  readonly seconds: number;
  /** At which progress it fails; beyond 100 where it does not. */
  readonly failsAt: number;
  progress: number;
}

/** What an agent is at; `resting` after a task, `recovering` after one that failed. */
type Activity =
  | { readonly kind: 'working'; readonly task: Task }
  | { readonly kind: 'resting' | 'recovering'; readonly untilMs: number };

/** One agent: takes a task, works on it at an uneven pace, finishes or fails, rests, and takes the next. */
export class Agent implements Source {
  readonly id: string;
  readonly intervalMs = 200;
  readonly #name: string;
  readonly #random: Random;
  readonly #level: Walk;
  readonly #utilization: Walk;
  #activity: Activity;
  #lastMs: number | undefined = undefined;
  #taken = 0;
  #completed: number;
  #failed: number;

  constructor(number: number, name: string, random: Random) {
    this.id = `agent-${String(number).padStart(2, '0')}`;
    this.#name = name;
    this.#random = random;
    this.#level = new Walk(random, random.between(0.7, 0.95));
    this.#utilization = new Walk(random, 0.08);
    this.#completed = random.whole(5, 60);
    this.#failed = random.whole(0, 2);
    this.#activity = { kind: 'working', task: { ...this.#nextTask(), progress: random.between(0, 80) } };
  }

  speak(nowMs: number): readonly Publication[] {
    this.#live(nowMs);
    const { id } = this;
    return [{ topic: 'agents.status', event: 'agent_status', data: this.status(), key: id, source: id }];
  }

  status(): AgentStatus {
    const activity = this.#activity;
    const working = activity.kind === 'working';
    const utilization = this.#utilization.step(working ? { pull: 0.75, haste: 0.1 } : { haste: 0.1 });
    return {
      agent_id: this.id,
      agent_name: this.#name,
      consciousness_level: rounded(this.#level.step({ haste: 0.05 }), 4),
      status: working ? 'active' : activity.kind === 'resting' ? 'idle' : 'error',
      current_task: working ? described(activity.task) : null,
      utilization_percent: rounded(100 * utilization, 1),
      error_rate: rounded(this.#failed / (this.#completed + this.#failed), 4),
      tasks_completed_today: this.#completed,
    };
  }

  #live(nowMs: number): void {
    const seconds = this.#lastMs === undefined ? 0 : (nowMs - this.#lastMs) / 1000;
    this.#lastMs = nowMs;
    const activity = this.#activity;
    if (activity.kind === 'working') this.#work(activity.task, seconds, nowMs);
    else if (nowMs >= activity.untilMs) this.#activity = { kind: 'working', task: this.#nextTask() };
  }

  #work(task: Task, seconds: number, nowMs: number): void {
    task.progress += (100 * seconds * this.#random.between(0.6, 1.4)) / task.seconds;
    if (task.progress >= task.failsAt) {
      this.#failed++;
      this.#activity = { kind: 'recovering', untilMs: nowMs + 1000 * this.#random.between(2, 6) };
    } else if (task.progress >= 100) {
      this.#completed++;
      this.#activity = { kind: 'resting', untilMs: nowMs + 1000 * this.#random.between(1, 8) };
    }
  }

  #nextTask(): Task {
    const random = this.#random;
    return {
      id: `${this.id}-task-${++this.#taken}`,
      type: random.pick(TASK_TYPES),
      seconds: random.between(6, 40),
      failsAt: random.chance(0.06) ? random.between(10, 95) : Number.POSITIVE_INFINITY,
      progress: 0,
    };
  }
}

function described({ id, type, seconds, progress }: Task): NonNullable<AgentStatus['current_task']> {
  return {
    task_id: id,
    task_type: type,
    progress_percent: rounded(progress, 1),
    estimated_completion_seconds: rounded(((100 - progress) / 100) * seconds, 1),
  };
}
