/*
 * `@millrace/client/ai-sdk`: conversations for the AI SDK's `useChat`. Of the package `ai` only types are used.
 */

export {
  type ChatListener,
  type ChatTransportOptions,
  createChatTransport,
  type MillraceChatTransport,
} from './chat-transport.ts';
