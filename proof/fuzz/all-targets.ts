import type { FuzzTarget } from './fuzz-target.ts';
import { serverMessages, sseStreams } from './targets/client.ts';
import { events } from './targets/events.ts';
import { frames } from './targets/frames.ts';
import { filters, jsonMessages, msgpackMessages } from './targets/messages.ts';
import { prometheusTexts } from './targets/prometheus.ts';
import { bodies, credentials, lastEventIds, paths, tokens } from './targets/requests.ts';
import { cursors, positions, since, topics } from './targets/texts.ts';

/** Every parser of what comes from outside. */
export const FUZZ_TARGETS: readonly FuzzTarget[] = [
  frames,
  jsonMessages,
  msgpackMessages,
  filters,
  events,
  tokens,
  credentials,
  cursors,
  positions,
  topics,
  since,
  lastEventIds,
  paths,
  bodies,
  sseStreams,
  serverMessages,
  prometheusTexts,
];

export function fuzzTargetNamed(name: string): FuzzTarget {
  const target = FUZZ_TARGETS.find((each) => each.name === name);
  if (target !== undefined) return target;
  throw new Error(
    `there is no parser "${name}"; there are: ${FUZZ_TARGETS.map((each) => each.name).join(', ')}`,
  );
}
