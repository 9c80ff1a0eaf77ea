import { componentName } from './async-api-messages.ts';
import { SECURITY } from './async-api-servers.ts';
import type { EventFamily } from './event-family.ts';

interface Reference {
  readonly $ref: string;
}

/** A topic, or all topics of a pattern, where events of some families are usual. */
export interface AsyncApiChannel {
  readonly address: string;
  readonly title: string;
  readonly description: string;
  readonly tags: readonly { readonly name: string }[];
  readonly messages: Readonly<Record<string, Reference>>;
  readonly parameters?: Readonly<Record<string, { readonly description: string }>>;
  /** What kind of state a snapshot of such a topic has. */
  readonly 'x-view'?: string;
}

/** From the server's side: it sends to who subscribes, and receives of who publishes. */
export interface AsyncApiOperation {
  readonly action: 'send' | 'receive';
  readonly channel: Reference;
  readonly title: string;
  readonly summary: string;
  readonly security: readonly Reference[];
}

const REST = 'One or more segments of letters, digits and `_ - :`, joined by dots.';
const SEGMENT = 'One segment of letters, digits and `_ - :`.';

/** `task.*` → `task.{id}`, `a.*.b` → `a.{part1}.b`. */
function addressOf(topic: string): Pick<AsyncApiChannel, 'address' | 'parameters'> {
  const parameters: Record<string, { description: string }> = {};
  const segments = topic.split('.');
  const address = segments.map((segment, i) => {
    if (segment !== '*') return segment;
    const last = i === segments.length - 1;
    const name = last ? 'id' : `part${Object.keys(parameters).length + 1}`;
    parameters[name] = { description: last ? REST : SEGMENT };
    return `{${name}}`;
  });
  return { address: address.join('.'), ...(Object.keys(parameters).length > 0 && { parameters }) };
}

/** `task.*` → `task`: keys that code generators can make names of. */
function channelName(topic: string, taken: Readonly<Record<string, unknown>>): string {
  const name = topic.replaceAll(/\.?\*/g, '').replace(/^\./, '') || 'all';
  if (!(name in taken)) return name;
  for (let i = 2; ; i++) if (!(`${name}-${i}` in taken)) return `${name}-${i}`;
}

function channelOf(topic: string, families: readonly EventFamily[]): AsyncApiChannel {
  const names = families.flatMap(({ events }) => events.map(({ name }) => componentName(name)));
  const view = families.find((family) => family.view !== undefined)?.view;
  return {
    ...addressOf(topic),
    title: topic,
    description: families.map(({ description }) => description).join('\n\n'),
    tags: families.map(({ name }) => ({ name })),
    messages: Object.fromEntries(
      names.map((name) => [name, { $ref: `#/components/messages/${name}` }] as const),
    ),
    ...(view !== undefined && { 'x-view': view.name }),
  };
}

/** The channels of families: one for each topic or pattern, whichever families share it. */
export function channelsOf(families: readonly EventFamily[]): Record<string, AsyncApiChannel> {
  const topics = new Set(families.flatMap((family) => family.topics));
  const channels: Record<string, AsyncApiChannel> = {};
  for (const topic of topics) {
    const sharing = families.filter((family) => family.topics.includes(topic));
    channels[channelName(topic, channels)] = channelOf(topic, sharing);
  }
  return channels;
}

export function operationsOf(
  channels: Readonly<Record<string, AsyncApiChannel>>,
): Record<string, AsyncApiOperation> {
  const operations = Object.entries(channels).flatMap(([name, { title }]) => {
    const shared = { channel: { $ref: `#/channels/${name}` }, security: SECURITY };
    const subscribe: AsyncApiOperation = {
      action: 'send',
      title: `Subscribe to ${title}`,
      summary: 'Who subscribes to the topic, or to a pattern that matches it, is sent its events.',
      ...shared,
    };
    const publish: AsyncApiOperation = {
      action: 'receive',
      title: `Publish on ${title}`,
      summary: 'Whose token permits it may append events to the topic.',
      ...shared,
    };
    return [[`${name}.subscribe`, subscribe] as const, [`${name}.publish`, publish] as const];
  });
  return Object.fromEntries(operations);
}
