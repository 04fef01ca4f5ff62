import { ask } from './graphql';
import PROVIDERS from './operations/providers.graphql?raw';

export interface Provider {
  name: string;
  title: string;
  startUrl: string;
}

/** What the address says after the #, when the browser comes back from an identity provider. */
export interface Arrival {
  code: string | null;
  error: string | null;
  verifier: string;
}

const VERIFIER = 'aetherflow:verifier';
const RETURN = '/graphiql';

const WORDS: Record<string, string> = {
  refused: 'The identity provider did not let you in.',
  unavailable: 'The identity provider does not answer. Try again later.',
};

/** Gives the providers by which people can sign in; none where the browser can't hash. */
export async function providers(): Promise<Provider[]> {
  // Browsers hash on pages alone that came over TLS, or from this machine.
  if (!isSecureContext) return [];
  return (await ask<{ signInProviders: Provider[] }>(PROVIDERS, {})).signInProviders;
}

/** Leaves for the provider; only this tab can go on with what comes back, by its verifier. */
export async function leaveFor({ startUrl }: Provider): Promise<void> {
  const verifier = encoded(crypto.getRandomValues(new Uint8Array(32)));
  sessionStorage.setItem(VERIFIER, verifier);
  const hashed = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier));
  const url = new URL(startUrl);
  url.searchParams.set('challenge', encoded(new Uint8Array(hashed)));
  url.searchParams.set('return_to', RETURN);
  location.assign(url);
}

/** Takes what the browser came back with out of the address; null when it comes from nowhere. */
export function arrival(): Arrival | null {
  const told = new URLSearchParams(location.hash.slice(1));
  const [code, error] = [told.get('sign_in_code'), told.get('sign_in_error')];
  if (!code && !error) return null;
  history.replaceState(null, '', location.pathname);
  const verifier = sessionStorage.getItem(VERIFIER) ?? '';
  sessionStorage.removeItem(VERIFIER);
  return { code, error, verifier };
}

/** Says in a sentence why the browser came back without a code. */
export function explained(error: string): string {
  return WORDS[error] ?? 'Signing in did not work. Begin again.';
}

function encoded(bytes: Uint8Array): string {
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
