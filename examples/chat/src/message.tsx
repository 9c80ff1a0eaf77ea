import type { UIMessage } from 'ai';
import { memo } from 'react';
import { AnswerText } from './answer-text.tsx';

interface MessageProps {
  readonly message: UIMessage;
  /** More of it follows. */
  readonly isComing: boolean;
}

export const Message = memo(function Message({ message, isComing }: MessageProps) {
  const text = message.parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
  if (message.role === 'user') return <li className="message user">{text}</li>;
  // An answer that has no words yet shows as one that is on its way.
  if (text === '') return null;
  return (
    <li className={isComing ? 'message assistant coming' : 'message assistant'} aria-busy={isComing}>
      <AnswerText text={text} />
    </li>
  );
});
