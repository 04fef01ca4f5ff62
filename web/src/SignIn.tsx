import { useEffect, useState, type SubmitEvent } from 'react';

import { Brand } from './Brand';
import { leaveFor, providers, type Provider } from './provider';
import { Session } from './session';

interface Props {
  notice: string;
  onSignedIn(session: Session): void;
}

/** The form that stands in place of GraphiQL until someone has signed in. */
export function SignIn({ notice, onSignedIn }: Props) {
  const [message, setMessage] = useState(notice);
  const [busy, setBusy] = useState(false);
  const [offered, setOffered] = useState<Provider[]>([]);

  useEffect(() => {
    // Without them there is still the password.
    providers().then(setOffered, () => undefined);
  }, []);

  async function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    try {
      onSignedIn(await Session.signIn(String(form.get('email')), String(form.get('password'))));
    } catch (error) {
      setMessage((error as Error).message);
      setBusy(false);
    }
  }

  return (
    <main className="sign-in">
      <form onSubmit={(event) => void submit(event)}>
        <Brand />
        <p>Sign in to query the data of your departments.</p>
        <label>
          E-mail
          <input name="email" type="email" autoComplete="username" required autoFocus />
        </label>
        <label>
          Password
          <input name="password" type="password" autoComplete="current-password" required />
        </label>
        <p className="sign-in-message" role="alert">
          {message}
        </p>
        <button type="submit" disabled={busy}>
          {busy ? 'Signing in…' : 'Sign in'}
        </button>
        {offered.map((provider) => (
          <button type="button" key={provider.name} onClick={() => void leaveFor(provider)}>
            Sign in with {provider.title}
          </button>
        ))}
      </form>
    </main>
  );
}
