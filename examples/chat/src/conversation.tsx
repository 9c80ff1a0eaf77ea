import { type Chat, useChat } from '@ai-sdk/react';
import type { UIMessage } from 'ai';
import { Composer } from './composer.tsx';
import { Icon } from './icon.tsx';
import { Message } from './message.tsx';
import { useStickyScroll } from './use-sticky-scroll.ts';

/** How often a page is drawn while tokens come, in ms. */
const THROTTLE_MS = 40;

const SUGGESTIONS = [
  'What is a mill race?',
  'Explain event sourcing to a gardener',
  'Plan a weekend by the sea',
] as const;

export function Conversation({ chat }: { readonly chat: Chat<UIMessage> }) {
  const { messages, sendMessage, status, stop, error, regenerate } = useChat({
    chat,
    throttle: THROTTLE_MS,
  });
  const { ref, isAtEnd, toEnd } = useStickyScroll<HTMLDivElement>(messages);
  const isBusy = status === 'submitted' || status === 'streaming';
  const send = (text: string): void => {
    toEnd();
    void sendMessage({ text });
  };
  return (
    <main className="conversation">
      <div className="scroller" ref={ref}>
        {messages.length === 0 && !isBusy ? (
          <Welcome onAsk={send} />
        ) : (
          <ol className="messages">
            {messages.map((message, i) => (
              <Message
                key={message.id}
                message={message}
                isComing={status === 'streaming' && i === messages.length - 1}
              />
            ))}
            {status === 'submitted' && <Thinking />}
          </ol>
        )}
        {error !== undefined && (
          <div className="failure" role="alert">
            <p>{error.message}</p>
            <button type="button" className="button" onClick={() => void regenerate()}>
              Try again
            </button>
          </div>
        )}
      </div>
      {!isAtEnd && (
        <button type="button" className="to-end" aria-label="To the newest message" onClick={toEnd}>
          <Icon name="down" />
        </button>
      )}
      <Composer isBusy={isBusy} onSend={send} onStop={() => void stop()} />
    </main>
  );
}

function Thinking() {
  return (
    <li className="message assistant">
      <span className="thinking" role="status" aria-label="The answer is on its way">
        <i />
        <i />
        <i />
      </span>
    </li>
  );
}

function Welcome({ onAsk }: { readonly onAsk: (text: string) => void }) {
  return (
    <div className="welcome">
      <h2>What would you like to know?</h2>
      <p className="hint">
        Answers go on while you are away: reload, lose the network, or open this link elsewhere.
      </p>
      <ul className="suggestions">
        {SUGGESTIONS.map((text) => (
          <li key={text}>
            <button type="button" className="suggestion" onClick={() => onAsk(text)}>
              {text}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
