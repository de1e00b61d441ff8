/** Who calls: by a bearer token (an API token, or a session of the command line), else by the session cookie of a browser. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { Control } from '../access/control.ts';
import { PosternError } from '../core/errors.ts';
import type { Caller } from '../identity/tokens.ts';
import { readCookie, SESSION_COOKIE } from './cookies.ts';

const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD']);
/** Header in which a page repeats what only it can know. */
const CSRF_HEADER = 'x-postern-csrf';

/** @throws PosternError POSTERN_UNAUTHORIZED; POSTERN_FORBIDDEN for a change that another site may have asked the browser for */
export async function authenticate(
  control: Control,
  request: FastifyRequest,
  publicUrl: string,
): Promise<Caller> {
  const header = request.headers.authorization;
  if (header !== undefined) {
    const token = header.startsWith('Bearer ') ? header.slice(7).trim() : '';
    return token.startsWith('psc_')
      ? control.sessions.authenticate(token, 'cli')
      : control.tokens.authenticate(token);
  }
  const cookie = readCookie(request, SESSION_COOKIE);
  if (cookie === null) return control.tokens.authenticate('');
  const caller = await control.sessions.authenticate(cookie, 'browser');
  if (!SAFE.has(request.method)) requireSameSite(request, cookie, publicUrl);
  return caller;
}

/** Whether a call shows anything to be taken for somebody by. One that does not guesses nothing. */
export const showsCredential = (request: FastifyRequest): boolean =>
  request.headers.authorization !== undefined || readCookie(request, SESSION_COOKIE) !== null;

/** What a page of Postern shows with a change, to prove that it is one: it follows from the session, and tells nothing of it. */
export const csrfOf = (token: string): string =>
  createHash('sha256').update(`postern csrf ${token}`).digest('base64url');

/** @throws PosternError POSTERN_FORBIDDEN unless the request comes from a page of Postern itself */
function requireSameSite(request: FastifyRequest, token: string, publicUrl: string): void {
  requireOrigin(request, publicUrl);
  const shown = request.headers[CSRF_HEADER];
  const expected = csrfOf(token);
  if (
    typeof shown !== 'string' ||
    shown.length !== expected.length ||
    !timingSafeEqual(Buffer.from(shown, 'latin1'), Buffer.from(expected))
  ) {
    throw new PosternError('POSTERN_FORBIDDEN', `A change by a signed-in browser carries ${CSRF_HEADER}.`);
  }
}

/**
 * Browsers say with every unsafe request where it comes from.
 *
 * @throws PosternError POSTERN_FORBIDDEN when that is another site, or not said
 * @see https://www.rfc-editor.org/rfc/rfc6454#section-7
 */
export function requireOrigin(request: FastifyRequest, publicUrl: string): void {
  if (request.headers.origin === publicUrl) return;
  throw new PosternError(
    'POSTERN_FORBIDDEN',
    `This must come from a page of ${publicUrl}.`,
    'Open Postern under that address; "publicUrl" in its configuration says which it is.',
  );
}
