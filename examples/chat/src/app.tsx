import type { Chat } from '@ai-sdk/react';
import type { UIMessage } from 'ai';
import { useEffect, useState } from 'react';
import type { Chats } from './chats.ts';
import { Conversation } from './conversation.tsx';
import { Header } from './header.tsx';
import { useConversationId } from './use-conversation-id.ts';

type Opened =
  | { readonly kind: 'opening' }
  | { readonly kind: 'open'; readonly chat: Chat<UIMessage> }
  | { readonly kind: 'failed'; readonly why: string };

export function App({ chats }: { readonly chats: Chats }) {
  const id = useConversationId();
  const [attempt, setAttempt] = useState(0);
  const opened = useOpened(chats, id, attempt);
  return (
    <div className="app">
      <Header />
      {opened.kind === 'open' && <Conversation key={id} chat={opened.chat} />}
      {opened.kind === 'opening' && <main className="waiting" aria-busy="true" />}
      {opened.kind === 'failed' && (
        <main className="waiting" role="alert">
          <p>The conversation cannot be opened: {opened.why}</p>
          <button type="button" className="button" onClick={() => setAttempt(attempt + 1)}>
            Try again
          </button>
        </main>
      )}
    </div>
  );
}

function useOpened(chats: Chats, id: string, attempt: number): Opened {
  const [opened, setOpened] = useState<Opened>({ kind: 'opening' });
  // biome-ignore lint/correctness/useExhaustiveDependencies: another attempt opens it again
  useEffect(() => {
    let isGone = false;
    setOpened({ kind: 'opening' });
    chats.open(id).then(
      (chat) => !isGone && setOpened({ kind: 'open', chat }),
      (error: Error) => !isGone && setOpened({ kind: 'failed', why: error.message }),
    );
    return () => {
      isGone = true;
    };
  }, [chats, id, attempt]);
  return opened;
}
