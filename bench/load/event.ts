/** What a publisher sends: about 90 bytes of data, which make an event of about 240 bytes. */
export interface BenchEvent {
  readonly topic: string;
  /** Position of the topic in the workload. */
  readonly topicIndex: number;
  /** JSON; begins with `t`, the time of sending in microseconds since 1970. */
  readonly data: string;
}

export function createEventData(): string {
  const us = Math.round((performance.timeOrigin + performance.now()) * 1000);
  return `{"t":${us},"load":0.62,"memory":7.8,"state":"running","step":"compile"}`;
}

/** The event as Millrace sends it, for peers that have no events of their own: the same fields, the same size. */
export function createEventText(topic: string, offset: number, data: string): string {
  const timestamp = new Date().toISOString();
  return `{"type":"event","topic":"${topic}","event":"bench.tick","id":"k3f9a1-4c2","offset":${offset},"epoch":"dk3f9-1","timestamp":"${timestamp}","data":${data}}`;
}
