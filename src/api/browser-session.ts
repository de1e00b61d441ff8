import type { FastifyReply, FastifyRequest } from 'fastify';
import { PosternError } from '../core/errors.ts';
import type { NewSession, PersonSession } from '../identity/sessions.ts';
import { readCookie, SESSION_COOKIE, setCookie } from './cookies.ts';
import type { ApiDeps } from './deps.ts';

/**
 * Signs a browser in: always with a new token, so that one that somebody else has put into the browser is worth nothing.
 * A session that it had ends.
 */
export async function beginBrowserSession(
  deps: ApiDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  login: Omit<NewSession, 'kind' | 'source'>,
): Promise<PersonSession> {
  const { sessions } = deps.control;
  const { token, session } = await sessions.open({ ...login, kind: 'browser', source: request.ip });
  const before = readCookie(request, SESSION_COOKIE);
  if (before !== null) await endOld(deps, before);
  setCookie(reply, SESSION_COOKIE, token, secondsUntil(session.expiresAt));
  return session;
}

async function endOld({ control: { sessions } }: ApiDeps, token: string): Promise<void> {
  try {
    const { session, person } = await sessions.authenticate(token, 'browser');
    if (session !== null) await sessions.logout(session, person);
  } catch (error) {
    // One that has ended already, or never was one, needs no end.
    if (!(error instanceof PosternError) || error.code !== 'POSTERN_UNAUTHORIZED') throw error;
  }
}

const secondsUntil = (time: string): number =>
  Math.max(0, Math.floor((Date.parse(time) - Date.now()) / 1000));

/** Lets somebody try to come in. What is refused is counted and recorded. */
export async function attempt<T>(
  deps: ApiDeps,
  request: FastifyRequest,
  method: string,
  enter: () => Promise<T>,
): Promise<T> {
  try {
    return await enter();
  } catch (error) {
    if (error instanceof PosternError && error.code !== 'POSTERN_AUDIT_UNAVAILABLE') {
      const why = typeof error.cause === 'string' ? `${error.message} (${error.cause})` : error.message;
      deps.control.doors.refusals.note(method, why.slice(0, 300), request.ip);
    }
    throw error;
  }
}
