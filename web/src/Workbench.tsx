import { explorerPlugin } from '@graphiql/plugin-explorer';
import '@graphiql/plugin-explorer/style.css';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import { useEffect, useState } from 'react';

import { examplesFor } from './examples';
import { examplesPlugin } from './ExamplePane';
import { createFetcher } from './fetcher';
import { Header } from './Header';
import type { Session } from './session';
import { storageOf } from './storage';
import { createSocket } from './stream';
import { StreamLog } from './streamLog';
import { StreamPanel } from './StreamPanel';
import { SystemTheme } from './SystemTheme';

/** What lives as long as the person stays signed in. */
function prepared(session: Session) {
  const { user, departments } = session.viewer;
  const log = new StreamLog();
  const socket = createSocket(session, log);
  const fetcher = createFetcher(session, socket, log);
  const examples = examplesFor(departments[0]?.code ?? '');
  const shown = examplesPlugin(examples);
  return {
    log,
    socket,
    graphiql: {
      fetcher,
      storage: storageOf(user.id),
      plugins: [shown, explorerPlugin({ showAttribution: false }), HISTORY_PLUGIN],
      defaultTabs: examples.slice(0, 2),
      // In a narrow window there is room for the query and its result alone.
      ...(matchMedia('(min-width: 761px)').matches && { visiblePlugin: shown }),
    },
  };
}

/** GraphiQL for the person who is signed in, under the bar. */
export default function Workbench({ session }: { session: Session }) {
  const [department, setDepartment] = useState(session.department);
  const [{ log, socket, graphiql }] = useState(() => prepared(session));
  useEffect(() => () => void socket.dispose(), [socket]);

  function narrow(code: string) {
    session.department = code;
    setDepartment(code);
    // A running subscription connects again at once, and with the new department.
    socket.terminate();
  }

  return (
    <div className="workbench">
      <Header session={session} department={department} onDepartment={narrow} />
      <GraphiQL
        {...graphiql}
        defaultEditorToolsVisibility="variables"
        isHeadersEditorEnabled={false}
        showPersistHeadersSettings={false}
        forcedTheme="system"
      >
        <SystemTheme />
        <GraphiQL.Logo> </GraphiQL.Logo>
        <GraphiQL.Footer>
          <StreamPanel log={log} />
        </GraphiQL.Footer>
      </GraphiQL>
    </div>
  );
}
