import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';

/** So near the end counts as there, in px. */
const NEAR = 48;

/** Keeps the end of what grows in view, unless somebody has scrolled away from it. */
export function useStickyScroll<Element extends HTMLElement>(
  content: unknown,
): { ref: RefObject<Element | null>; isAtEnd: boolean; toEnd: () => void } {
  const ref = useRef<Element>(null);
  const sticks = useRef(true);
  /** Where it was put last: whoever is above that has scrolled, though no event has said so yet. */
  const placed = useRef(0);
  const [isAtEnd, setAtEnd] = useState(true);

  useEffect(() => {
    const element = ref.current;
    if (element === null) return;
    const onScroll = (): void => {
      sticks.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR;
      setAtEnd(sticks.current);
    };
    element.addEventListener('scroll', onScroll, { passive: true });
    return () => element.removeEventListener('scroll', onScroll);
  }, []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: it is the content that makes it grow
  useLayoutEffect(() => {
    const element = ref.current;
    if (element === null || !sticks.current || element.scrollTop < placed.current - NEAR) return;
    element.scrollTo({ top: element.scrollHeight });
    placed.current = element.scrollTop;
  }, [content]);

  const toEnd = useCallback(() => {
    sticks.current = true;
    placed.current = 0;
    ref.current?.scrollTo({ top: ref.current.scrollHeight, behavior: 'smooth' });
  }, []);
  return { ref, isAtEnd, toEnd };
}
