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

const STEPS = [
  'Install dependencies',
  'Compile',
  'Run unit tests',
  'Build the image',
  'Deploy to staging',
  'Smoke test',
];
const STATES = ['completed', 'completed', 'completed', 'running', 'pending', 'failed'];
const WORDS =
  'the package was built in and cached for next run no changes found since last commit test suite passed with warnings from linter while waiting on registry retrying request timed out after seconds connection to database restored'.split(
    ' ',
  );

const pick = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)] as T;
const prose = (words: number): string => Array.from({ length: words }, () => pick(WORDS)).join(' ');

function createStep(number: number): object {
  return {
    step_number: number,
    step_name: pick(STEPS),
    status: pick(STATES),
    duration_seconds: Math.round(Math.random() * 1e4) / 100,
    message: prose(8),
  };
}

/** A workflow's progress as one would send it: the same fields again and again, other numbers and words each time. */
export function createLargeData(bytes: number): string {
  const head = createEventData().slice(0, -1);
  const steps: string[] = [];
  let length = head.length + ',"steps":[]}'.length;
  for (let number = 1; length < bytes; number++) {
    const step = JSON.stringify(createStep(number));
    steps.push(step);
    length += step.length + 1;
  }
  return `${head},"steps":[${steps.join(',')}]}`;
}

/** The event as Millrace sends it, for peers that have no events of their own: the same fields, the same size. */
export function createEventText(topic: string, offset: number, data: string): string {
  const timestamp = new Date().toISOString();
  return `{"type":"event","topic":"${topic}","event":"bench.tick","id":"k3f9a1-4c2","offset":${offset},"epoch":"dk3f9-1","timestamp":"${timestamp}","data":${data}}`;
}
