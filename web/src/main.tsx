import { createRoot } from 'react-dom/client';

import { App } from './App';
import { arrival, explained } from './provider';
import { ENDED, endsSession, Session } from './session';
import './style.css';

const arrived = arrival();
let notice = arrived?.error ? explained(arrived.error) : '';
const resumed = await (
  arrived?.code ? Session.complete(arrived.code, arrived.verifier) : Session.resume()
).catch((error: unknown) => {
  const silent = 'The server does not answer. Reload the page to try again.';
  notice = endsSession(error) ? ENDED : silent;
  if (arrived?.code) notice = (error as Error).message;
  return null;
});

createRoot(document.getElementById('root') as HTMLElement).render(
  <App resumed={resumed} notice={notice} />,
);
