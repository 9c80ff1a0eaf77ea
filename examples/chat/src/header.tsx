import { useState } from 'react';
import { Icon } from './icon.tsx';
import mark from './mark.svg';
import { newConversation } from './use-conversation-id.ts';

const COPIED_MS = 2000;

export function Header() {
  return (
    <header className="header">
      <img src={mark} alt="" width="28" height="28" />
      <h1>Millrace chat</h1>
      <CopyLink />
      <button type="button" className="button" onClick={newConversation}>
        <Icon name="plus" />
        <span>New</span>
      </button>
    </header>
  );
}

function CopyLink() {
  const [isCopied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(window.location.href);
    setCopied(true);
    setTimeout(() => setCopied(false), COPIED_MS);
  };
  return (
    <button type="button" className="button quiet" onClick={() => void copy()}>
      <Icon name="link" />
      <span aria-live="polite">{isCopied ? 'Copied' : 'Copy link'}</span>
    </button>
  );
}
