import type { ReactNode } from 'react';
import { useAccess } from './access.ts';
import { Session } from './session.tsx';
import { SignIn } from './sign-in.tsx';

export function App(): ReactNode {
  const access = useAccess();
  if (access.token === undefined) return <SignIn refusal={access.refusal} onSignIn={access.signIn} />;
  return <Session key={access.token} token={access.token} onSignOut={access.signOut} />;
}
