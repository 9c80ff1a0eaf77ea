import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';

/** As near to the end as makes no difference to a reader. */
const NEAR_PX = 24;

export interface FollowTail {
  readonly isFollowing: boolean;
  /** Goes to the end and stays there. */
  readonly jumpToEnd: () => void;
  /** Before the reader is taken elsewhere. */
  readonly stopFollowing: () => void;
}

/**
 * Keeps a scroller at its end while content grows, until the reader scrolls up; reaching the end again resumes it.
 * `size` is whatever changes when the content does.
 */
export function useFollowTail(scroller: RefObject<HTMLElement | null>, size: unknown): FollowTail {
  const [isFollowing, setIsFollowing] = useState(true);
  const lastTop = useRef(0);

  useEffect(() => {
    const element = scroller.current;
    if (element === null) return undefined;
    const onScroll = (): void => {
      const isAtEnd = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_PX;
      // Content that grows moves the end away without moving the reader: only going up is a wish to stay.
      const wentUp = element.scrollTop < lastTop.current;
      lastTop.current = element.scrollTop;
      if (isAtEnd) setIsFollowing(true);
      else if (wentUp) setIsFollowing(false);
    };
    element.addEventListener('scroll', onScroll, { passive: true });
    return () => element.removeEventListener('scroll', onScroll);
  }, [scroller]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `size` says when the content has grown.
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element !== null && isFollowing) element.scrollTop = element.scrollHeight;
  }, [scroller, isFollowing, size]);

  const jumpToEnd = useCallback(() => setIsFollowing(true), []);
  const stopFollowing = useCallback(() => setIsFollowing(false), []);
  return { isFollowing, jumpToEnd, stopFollowing };
}
