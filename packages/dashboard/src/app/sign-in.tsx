import { type FormEvent, type ReactNode, useState } from 'react';
import { Logo } from './logo.tsx';
import './sign-in.css';

interface SignInProps {
  /** Why the last token was not accepted. */
  readonly refusal: string | undefined;
  readonly onSignIn: (token: string) => void;
}

export function SignIn({ refusal, onSignIn }: SignInProps): ReactNode {
  const [token, setToken] = useState('');
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (token.trim() !== '') onSignIn(token.trim());
  };
  return (
    <main className="sign-in">
      <form className="sign-in-panel card" onSubmit={submit}>
        <Logo />
        <div>
          <h1>Sign in</h1>
          <p className="quiet">This dashboard reads the server with a token.</p>
        </div>
        {refusal !== undefined && (
          <p className="sign-in-refusal" role="alert">
            {refusal}
          </p>
        )}
        <label className="sign-in-field">
          <span>Token</span>
          <input
            className="mono"
            type="password"
            name="token"
            value={token}
            autoComplete="off"
            spellCheck={false}
            placeholder="eyJ…"
            onChange={(event) => setToken(event.target.value)}
          />
        </label>
        <button type="submit" className="button primary" disabled={token.trim() === ''}>
          Sign in
        </button>
        <p className="sign-in-hint">
          Open the link that the server prints when it starts, or make a token:
          <code className="mono">npx millrace token --role admin</code>
        </p>
      </form>
    </main>
  );
}
