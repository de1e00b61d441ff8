import type { FastifyReply, FastifyRequest } from 'fastify';

/** The session of a browser. `__Host-`: this host alone, over TLS, for every path. */
export const SESSION_COOKIE = '__Host-postern';
/** What a browser carries from the start of a login to its end. */
export const LOGIN_COOKIE = '__Host-postern-login';

const LONGEST = 8192;

/**
 * The value of a cookie; null where there is none, or more than one of the name: then somebody has put one beside ours.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6265#section-4.2
 */
export function readCookie(request: Pick<FastifyRequest, 'headers'>, name: string): string | null {
  const header = request.headers.cookie;
  if (header === undefined || header.length > LONGEST) return null;
  const values = header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
  return values.length === 1 ? (values[0] as string) : null;
}

/**
 * Sets a cookie that scripts cannot read and other sites cannot have sent with anything but a plain navigation (a login
 * comes back from the provider as one).
 *
 * @param seconds how long the browser keeps it; 0 takes it away
 */
export function setCookie(reply: FastifyReply, name: string, value: string, seconds: number): void {
  void reply.header(
    'set-cookie',
    `${name}=${value}; Path=/; Max-Age=${seconds}; Secure; HttpOnly; SameSite=Lax`,
  );
}
