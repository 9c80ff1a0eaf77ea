/*
 * `@millrace/client/llm`: answers of language models, for those who publish them and those who read them. It loads apart from the
 * client, so that pages without a chat do not pay for it.
 */

export * from './answer-types.ts';
export { publishAnswer } from './publish-answer.ts';
export { type AnswerReader, readAnswer } from './read-answer.ts';
