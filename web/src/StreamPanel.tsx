import { useEffect, useRef, useSyncExternalStore } from 'react';

import type { StreamLog } from './streamLog';

const WORDS = { live: 'Live', interrupted: 'Connecting again…', ended: 'Ended' };

/** Under the result: every event that the newest subscription has brought. */
export function StreamPanel({ log }: { log: StreamLog }) {
  const { status, entries } = useSyncExternalStore(log.watch, log.current);
  const list = useRef<HTMLOListElement>(null);
  useEffect(() => {
    list.current?.scrollTo({ top: list.current.scrollHeight });
  }, [entries]);
  if (status === 'ended' && entries.length === 0) return null;
  return (
    <section className="stream" aria-label="Events of the subscription">
      <header>
        <span className={`stream-dot ${status}`} />
        {WORDS[status]} · {entries.at(-1)?.number ?? 0} events
      </header>
      <ol ref={list}>
        {entries.map(({ number, at, text }) => (
          <li key={number}>
            <time dateTime={at.toISOString()}>{at.toLocaleTimeString()}</time>
            <code>{text}</code>
          </li>
        ))}
      </ol>
    </section>
  );
}
