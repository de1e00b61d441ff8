/** Pages that the API serves to browsers. */
import { readFileSync } from 'node:fs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ApiDeps } from './deps.ts';

/** Nothing but what this installation serves itself, in no frame; forms are sent by the script alone. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** A file of `pages/`. */
export const pageFile = (name: string): string =>
  readFileSync(new URL(`pages/${name}`, import.meta.url), 'utf8');

/** A page, under the public address alone: passkeys and cookies are of one name; who comes by another is sent there. */
export function sendPage(
  deps: ApiDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  page: string,
): FastifyReply {
  const { host, origin } = new URL(deps.publicUrl());
  if (request.headers.host !== host) return reply.redirect(`${origin}${request.url}`, 307);
  return reply
    .header('content-security-policy', POLICY)
    .header('referrer-policy', 'no-referrer')
    .type('text/html; charset=utf-8')
    .send(page);
}
