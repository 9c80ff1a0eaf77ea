import { hasWildcard, type MillraceEvent } from '@millrace/protocol';
import { type FeedStatus, useTopic } from '@millrace/react';
import { useCallback, useMemo, useState } from 'react';
import { toast } from 'sonner';
import { useApi } from '../app/api-context.tsx';

export interface TopicEvents {
  /** Oldest first. */
  readonly events: readonly MillraceEvent[];
  readonly feed: FeedStatus;
  readonly isPaused: boolean;
  /** How many have come since the pause. */
  readonly waiting: number;
  readonly setPaused: (paused: boolean) => void;
  /** Puts earlier events in front; missing when there are none. */
  readonly loadOlder: (() => Promise<void>) | undefined;
}

const HISTORY = 100;
const MAX_EVENTS = 5000;
const OLDER = 200;

const NONE: readonly MillraceEvent[] = [];

/** The newest events of a topic, live, with earlier ones on demand; of a pattern, those from now on. */
export function useTopicEvents(topic: string): TopicEvents {
  const since = hasWildcard(topic) ? undefined : { last: HISTORY };
  const feed = useTopic(topic, { since, maxEvents: MAX_EVENTS });
  const [older, setOlder] = useState(NONE);
  const [frozen, setFrozen] = useState<{ events: readonly MillraceEvent[]; received: number }>();
  const shown = frozen?.events ?? feed.events;
  const events = useMemo(() => [...olderThan(older, shown[0]), ...shown], [older, shown]);
  const setPaused = useCallback(
    (paused: boolean) => setFrozen(paused ? { events: feed.events, received: feed.received } : undefined),
    [feed],
  );
  const loadOlder = useLoadOlder(topic, events[0], (added) => setOlder((before) => [...added, ...before]));
  return {
    events,
    feed,
    isPaused: frozen !== undefined,
    waiting: frozen === undefined ? 0 : feed.received - frozen.received,
    setPaused,
    loadOlder,
  };
}

/** Once the live list has let go of its oldest events, those loaded by hand no longer join onto it. */
function olderThan(
  older: readonly MillraceEvent[],
  first: MillraceEvent | undefined,
): readonly MillraceEvent[] {
  const last = older.at(-1);
  if (first === undefined || last === undefined) return older;
  return last.epoch === first.epoch && last.offset === first.offset - 1 ? older : NONE;
}

function useLoadOlder(
  topic: string,
  first: MillraceEvent | undefined,
  onLoaded: (events: readonly MillraceEvent[]) => void,
): (() => Promise<void>) | undefined {
  const api = useApi();
  if (first === undefined || first.offset <= 1 || hasWildcard(topic)) return undefined;
  return async () => {
    try {
      const older: MillraceEvent[] = [];
      let offset = Math.max(0, first.offset - 1 - OLDER);
      // A page may end early when its events are large.
      while (offset < first.offset - 1) {
        const query = { after: `${first.epoch}:${offset}`, limit: first.offset - 1 - offset };
        const { events } = await api.history(topic, query);
        older.push(...events);
        offset = events.at(-1)?.offset ?? first.offset;
      }
      onLoaded(older);
    } catch (error) {
      toast.error(`Earlier events could not be read: ${(error as Error).message}`);
    }
  };
}
