import { useCallback, useEffect, useState } from 'react';

const STORAGE_KEY = 'millrace.token';

/** Reads `#token=…` and removes it from the address (and so from history and screenshots) at once. */
export function takeTokenFromAddress(): string | undefined {
  const token = new URLSearchParams(window.location.hash.slice(1)).get('token');
  if (token === null || token === '') return undefined;
  window.history.replaceState(null, '', `${window.location.pathname}${window.location.search}#/`);
  return token;
}

function readToken(): string | undefined {
  const taken = takeTokenFromAddress();
  if (taken !== undefined) window.sessionStorage.setItem(STORAGE_KEY, taken);
  return taken ?? window.sessionStorage.getItem(STORAGE_KEY) ?? undefined;
}

export interface Access {
  readonly token: string | undefined;
  /** Why the last token is no longer used, in words for the sign-in panel. */
  readonly refusal: string | undefined;
  signIn(token: string): void;
  /** Forgets the token. */
  signOut(refusal?: string): void;
}

/** The token of this tab: from the address, from the sign-in panel, or from before a reload. */
export function useAccess(): Access {
  const [state, setState] = useState<{ token?: string; refusal?: string }>(() => {
    const token = readToken();
    return token === undefined ? {} : { token };
  });
  const signIn = useCallback((token: string): void => {
    window.sessionStorage.setItem(STORAGE_KEY, token);
    setState({ token });
  }, []);
  const signOut = useCallback((refusal?: string): void => {
    window.sessionStorage.removeItem(STORAGE_KEY);
    setState(refusal === undefined ? {} : { refusal });
  }, []);
  useEffect(() => {
    // A fresh link pasted into an open tab changes only the fragment.
    const onHashChange = (): void => {
      const token = takeTokenFromAddress();
      if (token !== undefined) signIn(token);
    };
    window.addEventListener('hashchange', onHashChange);
    return () => window.removeEventListener('hashchange', onHashChange);
  }, [signIn]);
  return { token: state.token, refusal: state.refusal, signIn, signOut };
}
