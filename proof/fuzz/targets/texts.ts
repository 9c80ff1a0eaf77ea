import {
  coversPattern,
  decodeSegment,
  encodeSegment,
  findPatternProblem,
  findTopicProblem,
  formatCursor,
  formatPosition,
  MAX_TOPIC_LENGTH,
  matchesPattern,
  overlapsPattern,
  parseCursor,
  parsePosition,
  selectsTopic,
} from '@millrace/protocol';
import { parseSince } from '../../../packages/server/src/session/since.ts';
import { broke, type FuzzTarget } from '../fuzz-target.ts';

const POSITIONS = ['dk3f9-1:17', 'e:0', 'l0-zz:9007199254740991', 'A-9:1234567890123456'];
const CURSORS = ['lk3f9.ya~d8sq2.4dq', 'd1.0', 'lk3f9-a-1.1.2.3', 'd1-x-2.zzzzzzzzzzz~l2.0'];

export const positions: FuzzTarget = {
  name: 'positions',
  seeds: POSITIONS,
  words: [':', '-', '00', '\n'],
  create: () => (input) => {
    const text = input.toString('latin1');
    const position = parsePosition(text);
    if (position === undefined) return false;
    if (formatPosition(position) !== text) broke('a position is printed in another way than it is read');
    return true;
  },
};

export const cursors: FuzzTarget = {
  name: 'cursors',
  seeds: CURSORS,
  words: ['~', '.', 'l', 'd', '.0', '.zzzzzzzzzzz'],
  create: () => (input) => {
    const cursor = parseCursor(input.toString('latin1'));
    if (cursor === undefined) return false;
    const printed = formatCursor(cursor);
    const again = parseCursor(printed);
    if (again === undefined || formatCursor(again) !== printed) broke('a printed cursor is read as another');
    return true;
  },
};

export const topics: FuzzTarget = {
  name: 'topics and patterns',
  seeds: ['task.build-7', 'task.*', '*', 'a.*.c.*', 'user.a_2eb_40x', 'metrics.consciousness:1'],
  words: ['.', '*', '.*', '*.', '..', 'user.', 'é'],
  create: () => {
    let other = '*';
    return (input) => {
      const text = input.toString('utf8');
      const id = decodeSegment(text);
      if (id !== undefined && encodeSegment(id) !== text)
        broke('a segment is written in another way than it is read');
      if (findTopicProblem(text) === undefined) judgeTopic(text);
      if (findPatternProblem(text) !== undefined) return false;
      judgePatterns(text, other);
      other = text;
      return true;
    };
  },
};

function judgeTopic(topic: string): void {
  if (topic.length > MAX_TOPIC_LENGTH || !/^[\w:-]+(\.[\w:-]+)*$/.test(topic)) broke('it is no topic');
  if (!matchesPattern(topic, topic) || findPatternProblem(topic) !== undefined)
    broke('a topic is no pattern of itself');
}

function judgePatterns(one: string, other: string): void {
  if (!coversPattern(one, one)) broke('a pattern does not cover itself');
  if (overlapsPattern(one, other) !== overlapsPattern(other, one)) broke('overlapping is not mutual');
  if (coversPattern(one, other) && !overlapsPattern(one, other)) broke('it covers what it does not overlap');
  const topic = other.replaceAll('*', 'x');
  if (coversPattern(one, other) && !matchesPattern(one, topic)) broke('it does not match what it covers');
  if (matchesPattern(one, topic) !== oracle(one, topic))
    broke(`matching differs from the oracle: ${one}, ${topic}`);
  selectsTopic([one], topic);
}

/** The same by a regular expression. */
function oracle(pattern: string, topic: string): boolean {
  const segments = pattern.split('.');
  const parts = segments.map((segment, i) => {
    if (segment !== '*') return segment;
    return i === segments.length - 1 ? '[^.]+(\\.[^.]+)*' : '[^.]+';
  });
  return new RegExp(`^${parts.join('\\.')}$`).test(topic);
}

export const since: FuzzTarget = {
  name: 'since',
  seeds: [
    ...POSITIONS,
    ...CURSORS,
    'earliest',
    'snapshot',
    '2026-11-20T12:00:00.000Z',
    '{"last":10}',
    '{"time":"2026"}',
  ],
  words: [...POSITIONS, 'earliest'],
  create: () => (input) => {
    const text = input.toString('utf8');
    parseSince({ time: text });
    parseSince(text);
    return true;
  },
};
