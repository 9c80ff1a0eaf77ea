import type { FeedStatus } from '@millrace/react';
import type { ReactNode } from 'react';
import { Badge } from '../ui/badge.tsx';
import { formatCount } from '../ui/format.ts';

/** How what is shown relates to what happens. */
export function FeedBadge({ feed, isPaused }: { feed: FeedStatus; isPaused: boolean }): ReactNode {
  if (feed.phase === 'failed') return <Badge tone="bad">Refused</Badge>;
  if (feed.phase === 'sealed') return <Badge tone="neutral">Sealed</Badge>;
  if (isPaused) return <Badge tone="neutral">Paused</Badge>;
  if (feed.phase === 'opening') return <Badge tone="warn">Opening</Badge>;
  if (feed.behind > 0) return <Badge tone="warn">{formatCount(feed.behind)} behind</Badge>;
  return <Badge tone="live">Live</Badge>;
}
