import type { ExecutionResult, GraphQLError } from 'graphql';
import { createClient, type Client } from 'graphql-ws';

import { ENDPOINT, isUnauthenticated, type Operation } from './graphql';
import { endsSession, type Session } from './session';

/** The code of a socket that is closed because its access token is refused or has run out. */
const FORBIDDEN = 4403;

/** Where GraphiQL wants the results of a subscription. */
export interface Sink {
  next(result: ExecutionResult): void;
  error(error: unknown): void;
  complete(): void;
}

/** What the page does with a running subscription besides showing its newest event. */
export interface Listener {
  started(): void;
  received(result: ExecutionResult): void;
  ended(): void;
  connected(): void;
  disconnected(): void;
}

/** The socket that subscriptions share; it opens with the first and closes after the last. */
export function createSocket(session: Session, listener: Listener): Client {
  const url = new URL(ENDPOINT, location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  let refusals = 0;
  return createClient({
    url: url.href,
    async connectionParams() {
      if (refusals > 0) await session.renew();
      return session.headers();
    },
    on: {
      connected() {
        refusals = 0;
        listener.connected();
      },
      closed(event) {
        if ((event as CloseEvent).code === FORBIDDEN) refusals += 1;
        listener.disconnected();
      },
    },
    retryAttempts: 20,
    // At once, then ever later: for a server that restarts the whole takes some five minutes.
    retryWait: (retries) => pause(retries && Math.min(20_000, 500 * 2 ** retries)),
    // By itself the client gives up when a server can't be reached, which a restart looks like.
    // A renewed token that is refused too is no better the third time.
    shouldRetry: (problem) => !endsSession(problem) && refusals < 2,
  });
}

/**
 * One running subscription.
 *
 * It outlives broken connections, which the client mends, and its access token: the server ends a
 * stream when its token runs out, and then it goes on with a renewed one. A document with the
 * variable `$after` goes on behind its newest cursor, so that nothing is missed or comes twice.
 */
export class Stream {
  private dispose = () => {};
  private stopped = false;
  /** True after a renewal until something arrives: a second refusal in a row is final. */
  private renewed = false;

  constructor(
    private readonly request: Operation,
    private readonly resumable: boolean,
    private readonly session: Session,
    private readonly socket: Client,
    private readonly sink: Sink,
    private readonly listener: Listener,
  ) {}

  start(): void {
    this.listener.started();
    this.subscribe();
  }

  unsubscribe(): void {
    this.stopped = true;
    this.dispose();
  }

  private subscribe(): void {
    let refused = false;
    this.dispose = this.socket.subscribe<Record<string, unknown>>(this.request, {
      next: (result) => {
        refused = this.isOutOfDate(result as ExecutionResult);
        if (!refused) this.received(result as ExecutionResult);
      },
      error: (error) => {
        const errors = error as GraphQLError[]; // or something else, which has no first element
        if (this.isOutOfDate({ errors })) this.renew();
        else this.fail(error);
      },
      complete: () => {
        if (refused) return this.renew();
        this.listener.ended();
        this.sink.complete();
      },
    });
  }

  private received(result: ExecutionResult): void {
    this.renewed = false;
    const cursor = this.resumable && cursorOf(result);
    // After a broken connection the client sends this same object again.
    if (cursor) this.request.variables.after = cursor;
    this.listener.received(result);
    this.sink.next(result);
  }

  private isOutOfDate(result: ExecutionResult): boolean {
    return !this.renewed && isUnauthenticated(result);
  }

  private renew(): void {
    this.renewed = true;
    this.session.renew().then(
      () => this.stopped || this.subscribe(),
      (error: unknown) => this.fail(error),
    );
  }

  private fail(error: unknown): void {
    this.listener.ended();
    const isReadable = Array.isArray(error);
    this.sink.error(isReadable ? error : { message: reasonOf(error) });
  }
}

function cursorOf({ data }: ExecutionResult): unknown {
  return (Object.values(data ?? {})[0] as { cursor?: string } | null)?.cursor;
}

function reasonOf(error: unknown): string {
  if (error instanceof CloseEvent) {
    return `The server closed the connection: ${error.code} ${error.reason}`.trim();
  }
  return error instanceof Error ? error.message : 'The server can’t be reached.';
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
