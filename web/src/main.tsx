import { createRoot } from 'react-dom/client';

import { App } from './App';
import { ENDED, endsSession, Session } from './session';
import './style.css';

let notice = '';
const resumed = await Session.resume().catch((error: unknown) => {
  const silent = 'The server does not answer. Reload the page to try again.';
  notice = endsSession(error) ? ENDED : silent;
  return null;
});

createRoot(document.getElementById('root') as HTMLElement).render(
  <App resumed={resumed} notice={notice} />,
);
