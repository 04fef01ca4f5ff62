import type { ExecutionResult } from 'graphql';

import type { Listener } from './stream';

export interface Entry {
  number: number;
  at: Date;
  text: string;
}

export interface StreamState {
  status: 'live' | 'interrupted' | 'ended';
  entries: readonly Entry[];
}

const KEPT = 200;

/**
 * The events of the newest subscription, as a store for `useSyncExternalStore`.
 *
 * GraphiQL's result pane shows the newest event alone; a job's steps pass in moments, and this
 * keeps them readable.
 */
export class StreamLog implements Listener {
  private state: StreamState = { status: 'ended', entries: [] };
  private readonly watchers = new Set<() => void>();

  watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  current = (): StreamState => this.state;

  started(): void {
    this.set({ status: 'live', entries: [] });
  }

  received(result: ExecutionResult): void {
    const number = (this.state.entries.at(-1)?.number ?? 0) + 1;
    const text = JSON.stringify(result.errors ?? shown(result.data));
    const entries = [...this.state.entries, { number, at: new Date(), text }].slice(-KEPT);
    this.set({ status: 'live', entries });
  }

  ended(): void {
    this.set({ ...this.state, status: 'ended' });
  }

  connected(): void {
    if (this.state.status === 'interrupted') this.set({ ...this.state, status: 'live' });
  }

  disconnected(): void {
    if (this.state.status === 'live') this.set({ ...this.state, status: 'interrupted' });
  }

  private set(state: StreamState): void {
    this.state = state;
    this.watchers.forEach((watcher) => watcher());
  }
}

/** The event without its field's name, which every line would repeat. */
function shown(data: ExecutionResult['data']): unknown {
  const event = Object.values(data ?? {})[0] as Record<string, unknown> | null;
  // A line has its own time, and a cursor says nothing to a person: what does shall be in view.
  const last = ['at', 'cursor'];
  const entries = Object.entries(event ?? {});
  return Object.fromEntries([
    ...entries.filter(([name]) => !last.includes(name)),
    ...entries.filter(([name]) => last.includes(name)),
  ]);
}
