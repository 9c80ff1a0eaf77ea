import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';

/** So near the end counts as there, in px. */
const NEAR = 48;

/** Keeps the end of what grows in view, unless somebody has scrolled away from it. */
export function useStickyScroll<Element extends HTMLElement>(
  content: unknown,
): { ref: RefObject<Element | null>; isAtEnd: boolean; toEnd: () => void } {
  const ref = useRef<Element>(null);
  const sticks = useRef(true);
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
    if (sticks.current) ref.current?.scrollTo({ top: ref.current.scrollHeight });
  }, [content]);

  const toEnd = useCallback(() => {
    sticks.current = true;
    ref.current?.scrollTo({ top: ref.current.scrollHeight, behavior: 'smooth' });
  }, []);
  return { ref, isAtEnd, toEnd };
}
