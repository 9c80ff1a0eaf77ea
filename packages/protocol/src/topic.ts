/**
 * Topic and pattern rules.
 *
 * A topic is one or more segments of `A-Z a-z 0-9 _ - :` joined by dots, at most 255 bytes: `task.build-7`.
 * A pattern is a topic in which a segment may be `*`: in the middle it stands for exactly one segment, at the end
 * for one or more. Matching walks both strings once; there is no backtracking and no regular expression built
 * from input.
 */

/** Longest topic or pattern, in bytes; every allowed character is one byte. */
export const MAX_TOPIC_LENGTH = 255;

const DOT = 0x2e;
const STAR = 0x2a;

function isSegmentCode(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) || // a-z
    (code >= 0x41 && code <= 0x5a) || // A-Z
    (code >= 0x30 && code <= 0x3a) || // 0-9 and ":"
    code === 0x5f ||
    code === 0x2d
  );
}

/** Why `text` is no topic (or, with `wildcards`, no pattern), or `undefined` when it is one. */
function findProblem(text: string, wildcards: boolean): string | undefined {
  if (text.length === 0) return 'is empty';
  if (text.length > MAX_TOPIC_LENGTH) return `is longer than ${MAX_TOPIC_LENGTH} bytes`;
  let segmentStart = 0;
  for (let i = 0; i <= text.length; i++) {
    const code = i === text.length ? DOT : text.charCodeAt(i);
    if (code === DOT) {
      if (i === segmentStart) return `has an empty segment at character ${i + 1}`;
      segmentStart = i + 1;
    } else if (code === STAR && wildcards) {
      const aloneInSegment = i === segmentStart && (i + 1 === text.length || text.charCodeAt(i + 1) === DOT);
      if (!aloneInSegment) return `has a "*" that is not a whole segment at character ${i + 1}`;
    } else if (!isSegmentCode(code)) {
      const hint = code === STAR ? ' (a pattern is not allowed here)' : '';
      return `has a character outside A-Z a-z 0-9 _ - : at character ${i + 1}${hint}`;
    }
  }
  return undefined;
}

/** Why `text` is not a topic, as the end of a sentence ("has an empty segment at character 5"), or `undefined`. */
export function findTopicProblem(text: string): string | undefined {
  return findProblem(text, false);
}

/** Why `text` is not a pattern, or `undefined`. Every topic is also a pattern. */
export function findPatternProblem(text: string): string | undefined {
  return findProblem(text, true);
}

export function isTopic(text: string): boolean {
  return findProblem(text, false) === undefined;
}

export function isPattern(text: string): boolean {
  return findProblem(text, true) === undefined;
}

/** Whether a valid pattern has a `*`, that is, may match more than one topic. */
export function hasWildcard(pattern: string): boolean {
  return pattern.includes('*');
}

/** A topic's first segment, which carries the policy. */
export function namespaceOf(topic: string): string {
  const dot = topic.indexOf('.');
  return dot === -1 ? topic : topic.slice(0, dot);
}

/** Whether `pattern` matches `topic`. Both must be valid. O(length), allocates nothing. */
export function matchesPattern(pattern: string, topic: string): boolean {
  let p = 0;
  let t = 0;
  while (p < pattern.length) {
    if (t >= topic.length) return false;
    if (pattern.charCodeAt(p) === STAR) {
      if (p + 1 === pattern.length) return true;
      const dot = topic.indexOf('.', t);
      if (dot === -1) return false;
      p += 2;
      t = dot + 1;
      continue;
    }
    // One literal segment, up to and including its dot.
    for (;;) {
      const pEnd = p === pattern.length || pattern.charCodeAt(p) === DOT;
      const tEnd = t === topic.length || topic.charCodeAt(t) === DOT;
      if (pEnd !== tEnd) return false;
      if (pEnd) break;
      if (pattern.charCodeAt(p) !== topic.charCodeAt(t)) return false;
      p++;
      t++;
    }
    if (p === pattern.length || t === topic.length) return p === pattern.length && t === topic.length;
    p++;
    t++;
  }
  return false;
}

/**
 * Whether everything that `inner` matches is matched by `outer` too: how a permission `task.*` grants the
 * subscription `task.build.*`. Both must be valid patterns.
 */
export function coversPattern(outer: string, inner: string): boolean {
  const outers = outer.split('.');
  const inners = inner.split('.');
  for (let i = 0; i < outers.length; i++) {
    const last = i === outers.length - 1;
    const innerSegment = inners[i];
    if (innerSegment === undefined) return false;
    if (outers[i] === '*') {
      // Else it is one segment, and an inner pattern that ends here, in a "*" or not, is too short.
      if (last) return true;
    } else if (outers[i] !== innerSegment) {
      return false;
    }
  }
  return outers.length === inners.length;
}

/** Whether some topic could match both patterns. */
export function overlapsPattern(a: string, b: string): boolean {
  const as = a.split('.');
  const bs = b.split('.');
  for (let i = 0; ; i++) {
    const left = as[i];
    const right = bs[i];
    if (left === undefined || right === undefined) return left === right;
    // A final "*" takes the whole rest of the other, which has at least this segment.
    if (left === '*' && i === as.length - 1) return true;
    if (right === '*' && i === bs.length - 1) return true;
    if (left !== '*' && right !== '*' && left !== right) return false;
  }
}
