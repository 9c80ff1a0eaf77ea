import { findPatternProblem, findTopicProblem, MillraceError } from '@millrace/protocol';
import Type from 'typebox';
import type { Identity } from '../../auth/identity.ts';

export const TopicParams = Type.Object({
  topic: Type.String({ description: 'The topic’s name.', examples: ['task.build-7'] }),
});

/** Throws a `MillraceError` (`bad-topic`). */
export function checkTopic(topic: string): void {
  const problem = findTopicProblem(topic);
  if (problem !== undefined)
    throw new MillraceError('bad-topic', `topic ${JSON.stringify(topic)} ${problem}`);
}

/** Throws a `MillraceError` (`bad-topic`). */
export function checkPattern(pattern: string): void {
  const problem = findPatternProblem(pattern);
  if (problem !== undefined)
    throw new MillraceError('bad-topic', `pattern ${JSON.stringify(pattern)} ${problem}`);
}

/** Throws a `MillraceError` (`bad-topic`, `forbidden`): the same whether the topic exists or not. */
export function checkReadable(identity: Identity, topic: string): void {
  checkTopic(topic);
  if (identity.permissions.mayRead(topic)) return;
  throw new MillraceError('forbidden', `the token does not permit reading "${topic}"`, {
    details: { topic },
  });
}
