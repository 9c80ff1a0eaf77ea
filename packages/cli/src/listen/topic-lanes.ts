export interface TopicLanesOptions {
  /** Topics that are worked on at a time. */
  readonly maxActive: number;
  /** Jobs that may wait or run; {@link TopicLanes.room} tells when there are fewer. */
  readonly maxJobs: number;
}

type Job = () => Promise<void>;

/** Runs jobs in order within a topic, and those of several topics side by side. A lane exists only while it has jobs. */
export class TopicLanes {
  readonly #options: TopicLanesOptions;
  readonly #lanes = new Map<string, Job[]>();
  /** Topics whose turn has not come. */
  #waiting: string[] = [];
  #active = 0;
  #jobs = 0;
  #watchers: { readonly until: () => boolean; readonly resolve: () => void }[] = [];

  constructor(options: TopicLanesOptions) {
    this.#options = options;
  }

  /** `job` does not reject. */
  add(topic: string, job: Job): void {
    this.#jobs++;
    const lane = this.#lanes.get(topic);
    if (lane !== undefined) {
      lane.push(job);
      return;
    }
    this.#lanes.set(topic, [job]);
    this.#waiting.push(topic);
    this.#fill();
  }

  room(): Promise<void> {
    return this.#when(() => this.#jobs < this.#options.maxJobs);
  }

  settled(): Promise<void> {
    return this.#when(() => this.#jobs === 0);
  }

  #fill(): void {
    while (this.#active < this.#options.maxActive) {
      const topic = this.#waiting.shift();
      if (topic === undefined) return;
      this.#active++;
      void this.#work(topic);
    }
  }

  /** One job of a topic; what else it has waits behind the topics that wait already. */
  async #work(topic: string): Promise<void> {
    const lane = this.#lanes.get(topic) ?? [];
    await lane.shift()?.();
    this.#active--;
    this.#jobs--;
    if (lane.length > 0) this.#waiting.push(topic);
    else this.#lanes.delete(topic);
    this.#fill();
    this.#tell();
  }

  #when(until: () => boolean): Promise<void> {
    if (until()) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#watchers.push({ until, resolve });
    return promise;
  }

  #tell(): void {
    const ready = this.#watchers.filter(({ until }) => until());
    this.#watchers = this.#watchers.filter((watcher) => !ready.includes(watcher));
    for (const { resolve } of ready) resolve();
  }
}
