import { ask, Refusal } from './graphql';
import COMPLETE_SIGN_IN from './operations/completeSignIn.graphql?raw';
import REFRESH from './operations/refresh.graphql?raw';
import SIGN_IN from './operations/signIn.graphql?raw';
import SIGN_OUT from './operations/signOut.graphql?raw';
import VIEWER from './operations/viewer.graphql?raw';

export interface Department {
  id: string;
  code: string;
  name: string;
}

export interface User {
  id: string;
  fullName: string;
  email: string;
}

export interface Viewer {
  user: User;
  /** All that the person sees: those of the memberships, and all below them. */
  departments: Department[];
}

interface Tokens {
  accessToken: string;
  refreshToken: string;
  expiresAt: string;
}

interface ViewerPage {
  viewer: { user: User };
  departments: {
    nodes: Department[];
    pageInfo: { hasNextPage: boolean; endCursor: string | null };
  };
}

interface Kept extends Tokens {
  renewAt: number;
  department: string;
}

const STORED = 'aetherflow:session';

export const ENDED = 'The session has ended. Sign in again.';

/** When to renew tokens, by the local clock: a minute before their end, or earlier if short. */
function renewalOf({ expiresAt }: Tokens): number {
  const lifetime = Date.parse(expiresAt) - Date.now();
  // The last term is for a local clock that is wrong: not every request shall renew.
  return Date.now() + Math.max(lifetime - 60_000, lifetime * 0.8, 10_000);
}

/**
 * Who is signed in on this page, and the tokens that prove it.
 *
 * Tokens live in memory. They pass through sessionStorage only while the page is being reloaded:
 * written as it goes, taken out as it comes back. localStorage would hand them to every tab, and a
 * duplicated tab gets a copy of sessionStorage; a refresh token is good for one use and a second
 * use ends the whole session, so no two tabs may hold the same one.
 */
export class Session {
  /** The code of the department that requests are narrowed to; empty for all of one's own. */
  department = '';
  /** Called once, when the session ends, with what to tell the person. */
  onEnd: (notice: string) => void = () => undefined;
  private timer = 0;
  private renewing: Promise<void> | undefined;

  private constructor(
    readonly viewer: Viewer,
    private tokens: Tokens,
    private renewAt: number,
  ) {
    this.schedule();
    addEventListener('pagehide', this.keep);
    addEventListener('pageshow', startAnew);
  }

  /** Signs in, or throws a `Refusal` whose message can be shown. */
  static async signIn(email: string, password: string): Promise<Session> {
    const { login } = await ask<{ login: Tokens }>(SIGN_IN, { input: { email, password } });
    return new Session(await viewerOf(login), login, renewalOf(login));
  }

  /** Signs in with what an identity provider sent the browser back with, or throws a `Refusal`. */
  static async complete(code: string, verifier: string): Promise<Session> {
    const { completeSignIn } = await ask<{ completeSignIn: Tokens }>(COMPLETE_SIGN_IN, {
      input: { code, verifier },
    });
    return new Session(await viewerOf(completeSignIn), completeSignIn, renewalOf(completeSignIn));
  }

  /** Takes up the session of before a reload; null when there is none or it has ended. */
  static async resume(): Promise<Session | null> {
    const stored = sessionStorage.getItem(STORED);
    if (!stored) return null;
    const kept = JSON.parse(stored) as Kept;
    try {
      if (Date.now() > kept.renewAt) {
        Object.assign(kept, await renewed(kept));
        kept.renewAt = renewalOf(kept);
      }
      const viewer = await viewerOf(kept);
      forget();
      const session = new Session(viewer, kept, kept.renewAt);
      // A department may have gone while the page was away.
      if (viewer.departments.some(({ code }) => code === kept.department)) {
        session.department = kept.department;
      }
      return session;
    } catch (error) {
      if (endsSession(error)) forget();
      throw error;
    }
  }

  /** Gives the headers of a request: access token, renewed first when it is due, and department. */
  async headers(): Promise<Record<string, string>> {
    // A laptop that slept past the timer comes here with an old token.
    if (Date.now() > this.renewAt) await this.renew();
    const narrowed = this.department ? { 'x-department': this.department } : {};
    return { ...bearer(this.tokens), ...narrowed };
  }

  /** Trades the refresh token for new tokens; callers at the same time share one trade. */
  renew(): Promise<void> {
    this.renewing ??= renewed(this.tokens)
      .then((tokens) => {
        this.tokens = tokens;
        this.renewAt = renewalOf(tokens);
        this.schedule();
      })
      .catch((error: unknown) => {
        if (endsSession(error)) this.end(ENDED);
        throw error;
      })
      .finally(() => (this.renewing = undefined));
    return this.renewing;
  }

  /** Ends the session here and on the server. */
  async signOut(): Promise<void> {
    const headers = bearer(this.tokens);
    this.end('');
    // A server that does not hear of it forgets the session when its refresh token ends.
    await ask(SIGN_OUT, {}, headers).catch(() => undefined);
  }

  private end(notice: string): void {
    window.clearTimeout(this.timer);
    removeEventListener('pagehide', this.keep);
    removeEventListener('pageshow', startAnew);
    this.onEnd(notice);
  }

  private schedule(): void {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => {
      // A server that does not answer now is asked again by the next request.
      this.renew().catch(() => undefined);
    }, this.renewAt - Date.now());
  }

  private keep = (): void => {
    const { tokens, renewAt, department } = this;
    sessionStorage.setItem(STORED, JSON.stringify({ ...tokens, renewAt, department }));
  };
}

/** True for the one error after which no renewal can help. */
export function endsSession(error: unknown): boolean {
  return error instanceof Refusal && error.unauthenticated;
}

function bearer({ accessToken }: Tokens): Record<string, string> {
  return { authorization: `Bearer ${accessToken}` };
}

async function viewerOf(tokens: Tokens): Promise<Viewer> {
  const departments: Department[] = [];
  for (let after: string | null = null; ; ) {
    const page: ViewerPage = await ask<ViewerPage>(VIEWER, { after }, bearer(tokens));
    departments.push(...page.departments.nodes);
    after = page.departments.pageInfo.endCursor;
    if (!page.departments.pageInfo.hasNextPage) return { ...page.viewer, departments };
  }
}

async function renewed({ refreshToken }: Tokens): Promise<Tokens> {
  const { refreshSession } = await ask<{ refreshSession: Tokens }>(REFRESH, {
    input: { refreshToken },
  });
  return refreshSession;
}

/** Reloads a page that the browser kept aside: a later page may have used its refresh token. */
function startAnew(event: PageTransitionEvent): void {
  if (event.persisted) location.reload();
}

function forget(): void {
  sessionStorage.removeItem(STORED);
}
