import type { MillraceEvents } from '@millrace/catalog';
import type { PublishResult } from '@millrace/protocol';
import { reported, type TrackerHost } from './tracker-host.ts';
import type { AgentOptions, AgentReporter, AgentStatus } from './tracker-types.ts';
import { UpdateThrottle } from './update-throttle.ts';

const DEFAULT_BOARD = 'agents.status';

/** Publishes how an agent fares: the newest status whenever the one before is stored, and each action. */
export class PublishedAgent implements AgentReporter {
  readonly #host: TrackerHost;
  readonly #options: AgentOptions;
  readonly #topic: string;
  readonly #throttle: UpdateThrottle;
  #status: AgentStatus = {};
  #toldStatus: string | undefined;

  constructor(host: TrackerHost, options: AgentOptions) {
    this.#host = host;
    this.#options = options;
    this.#topic = options.topic ?? DEFAULT_BOARD;
    this.#throttle = new UpdateThrottle({
      platform: host.platform,
      minIntervalMs: 0,
      maxDelayMs: 0,
      send: () => this.#tellStatus().catch(() => {}),
    });
  }

  status(status: string | AgentStatus): void {
    const said = typeof status === 'string' ? { status } : status;
    this.#status = { ...this.#status, ...said };
    const { status: now } = this.#status;
    if (now !== undefined && now !== this.#toldStatus) this.#tellChange(now);
    this.#throttle.changed(true);
  }

  action(action: string, result: unknown = null): Promise<PublishResult> {
    return this.#publish('agent.action.completed', { agentId: this.#options.agentId, action, result });
  }

  /** Every change is told, also those between two tellings of the status. */
  #tellChange(new_status: string): void {
    const old_status = this.#toldStatus;
    this.#toldStatus = new_status;
    if (old_status === undefined) return;
    const { agentId: agent_id } = this.#options;
    this.#publish('agent.status.changed', { agent_id, old_status, new_status }).catch(() => {});
  }

  #tellStatus(): Promise<PublishResult> {
    const { status = 'idle', currentTask, consciousnessLevel, ...figures } = this.#status;
    const { agentId, agentName } = this.#options;
    return this.#publish('agent_status', {
      agent_id: agentId,
      agent_name: agentName,
      ...(consciousnessLevel !== undefined && { consciousness_level: consciousnessLevel }),
      status,
      current_task: taskOnWire(currentTask),
      utilization_percent: figures.utilizationPercent ?? 0,
      error_rate: figures.errorRate ?? 0,
      tasks_completed_today: figures.tasksCompletedToday ?? 0,
    });
  }

  #publish<Name extends keyof MillraceEvents & string>(
    event: Name,
    data: MillraceEvents[Name],
  ): Promise<PublishResult> {
    const { agentId: key } = this.#options;
    // One key an agent and kind of event, so that a reader who lags is given the newest status, and not only the newest action.
    const options = { key: event === 'agent_status' ? key : undefined };
    return reported(this.#host, this.#host.publish(this.#topic, event, data, options));
  }
}

function taskOnWire(task: AgentStatus['currentTask']): MillraceEvents['agent_status']['current_task'] {
  if (task === null || task === undefined) return null;
  return {
    task_id: task.taskId,
    task_type: task.taskType,
    progress_percent: task.progressPercent,
    estimated_completion_seconds: task.estimatedCompletionSeconds,
  };
}
