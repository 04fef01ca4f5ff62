import type { Fetcher, FetcherParams } from '@graphiql/toolkit';
import {
  getOperationAST,
  parse,
  type ExecutionResult,
  type OperationDefinitionNode,
} from 'graphql';
import type { Client } from 'graphql-ws';

import { isUnauthenticated, post, type Operation } from './graphql';
import type { Session } from './session';
import { Stream, type Listener, type Sink } from './stream';

/** Makes what GraphiQL runs operations with: subscriptions on the socket, all else over HTTP. */
export function createFetcher(session: Session, socket: Client, listener: Listener): Fetcher {
  return (params) => {
    const operation = operationOf(params);
    const request = requestOf(params, operation);
    if (operation?.operation !== 'subscription') return send(request, session);
    const resumable = operation.variableDefinitions?.some(
      ({ variable }) => variable.name.value === 'after',
    );
    return {
      subscribe(sink: unknown) {
        const stream = new Stream(request, !!resumable, session, socket, sink as Sink, listener);
        stream.start();
        return stream;
      },
    };
  };
}

async function send(request: Operation, session: Session): Promise<ExecutionResult> {
  try {
    const result = await post(request, await session.headers());
    if (!isUnauthenticated(result)) return result;
    // The token ended before its time, and nothing ran: renewed tokens may try once more.
    await session.renew();
    return await post(request, await session.headers());
  } catch (error) {
    // GraphiQL shows what is thrown as it is, and the stack of this script helps nobody.
    throw { message: (error as Error).message };
  }
}

function operationOf({ query, operationName }: FetcherParams): OperationDefinitionNode | null {
  try {
    const document = parse(query);
    // GraphiQL hears a moment late that the document's only operation has another name now.
    return getOperationAST(document, operationName) ?? getOperationAST(document) ?? null;
  } catch {
    return null; // The server says best what is wrong with the document.
  }
}

function requestOf(params: FetcherParams, operation: OperationDefinitionNode | null): Operation {
  const { query, variables, operationName } = params;
  return {
    query,
    variables: { ...(variables as Record<string, unknown> | undefined) },
    operationName: operation ? operation.name?.value : operationName,
  };
}
