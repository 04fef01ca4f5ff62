import { lazy, Suspense, useEffect, useState } from 'react';

import type { Session } from './session';
import { SignIn } from './SignIn';

// The editor is most of the page's weight; it loads while the person signs in.
const loading = import('./Workbench');
const Workbench = lazy(() => loading);

interface Props {
  resumed: Session | null;
  notice: string;
}

export function App({ resumed, notice }: Props) {
  const [session, setSession] = useState(resumed);
  const [message, setMessage] = useState(notice);

  useEffect(() => {
    if (!session) return;
    session.onEnd = (notice) => {
      setSession(null);
      setMessage(notice);
    };
  }, [session]);

  if (!session) return <SignIn notice={message} onSignedIn={setSession} />;
  return (
    <Suspense fallback={<p className="loading">Loading…</p>}>
      <Workbench session={session} />
    </Suspense>
  );
}
