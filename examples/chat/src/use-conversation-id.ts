import { useSyncExternalStore } from 'react';

/** A new conversation: a name that nobody guesses. */
export function newConversation(): void {
  const bytes = crypto.getRandomValues(new Uint8Array(9));
  window.location.hash = [...bytes].map((byte) => byte.toString(36).padStart(2, '0')).join('');
}

function onHashChange(listener: () => void): () => void {
  window.addEventListener('hashchange', listener);
  return () => window.removeEventListener('hashchange', listener);
}

/** The conversation that the address names, so that its link can be shared. */
export function useConversationId(): string {
  if (window.location.hash.length < 2) newConversation();
  return useSyncExternalStore(onHashChange, () => decodeURIComponent(window.location.hash.slice(1)));
}
