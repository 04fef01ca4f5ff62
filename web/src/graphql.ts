import type { ExecutionResult } from 'graphql';

export const ENDPOINT = '/graphql';

const UNAUTHENTICATED = 'UNAUTHENTICATED';

export interface Operation {
  query: string;
  variables: Record<string, unknown>;
  operationName?: string | null | undefined;
}

/** A refusal by the server, with the code of its first error. */
export class Refusal extends Error {
  constructor(
    message: string,
    readonly code: unknown,
  ) {
    super(message);
  }

  /** True when the proof of who asks no longer holds, and not when the server has troubles. */
  get unauthenticated(): boolean {
    return this.code === UNAUTHENTICATED;
  }
}

/** Sends one query or mutation and gives the response as it came, with its errors in it. */
export async function post(
  operation: Operation,
  headers: Record<string, string> = {},
): Promise<ExecutionResult> {
  const response = await fetch(ENDPOINT, {
    method: 'POST',
    // The access token in its header is all that says who asks; cookies never do.
    credentials: 'omit',
    headers: {
      accept: 'application/graphql-response+json, application/json;q=0.9',
      'content-type': 'application/json',
      ...headers,
    },
    body: JSON.stringify(operation),
  });
  if (!response.headers.get('content-type')?.includes('json')) {
    throw new Error(`The server answered ${response.status} ${response.statusText}`.trim() + '.');
  }
  return (await response.json()) as ExecutionResult;
}

/** Sends an operation of the page's own and gives its data, or throws a `Refusal`. */
export async function ask<Data>(
  query: string,
  variables: Record<string, unknown>,
  headers: Record<string, string> = {},
): Promise<Data> {
  const { data, errors } = await post({ query, variables }, headers);
  if (errors?.[0] || !data) {
    throw new Refusal(errors?.[0]?.message ?? 'The answer is empty.', errors?.[0]?.extensions?.code);
  }
  return data as Data;
}

/** True when the whole operation was refused because its access token no longer holds. */
export function isUnauthenticated({ data, errors }: ExecutionResult): boolean {
  return !data && errors?.[0]?.extensions?.code === UNAUTHENTICATED;
}
