/** Principals at the API: by a bearer token of Postern's own, for what is open to them. */
import type { FastifyRequest } from 'fastify';
import type { Control } from '../access/control.ts';
import { PosternError } from '../core/errors.ts';
import { type PrincipalCaller, x5tS256 } from '../identity/access-tokens.ts';
import { shownCertificate } from './routes/token.ts';

/**
 * The principal that calls; null where the token is none of Postern's own, and then it is a person's.
 *
 * @throws PosternError POSTERN_UNAUTHORIZED
 * @see https://www.rfc-editor.org/rfc/rfc9449#section-7.1
 */
export async function principalCaller(
  control: Control,
  request: FastifyRequest,
): Promise<PrincipalCaller | null> {
  const match = /^(Bearer|DPoP) +(ey[\w.-]+)$/.exec(request.headers.authorization ?? '');
  if (match === null) return null;
  const [, scheme, token = ''] = match;
  const proof = request.headers.dpop;
  if ((scheme === 'DPoP') !== (typeof proof === 'string'))
    throw new PosternError('POSTERN_UNAUTHORIZED', 'The scheme DPoP comes with one DPoP proof.');
  const path = request.url.split('?')[0] as string;
  const jkt = typeof proof === 'string' ? control.own.dpopKey(proof, request.method, path, token) : undefined;
  const certificate = shownCertificate(request);
  const caller = await control.own.access.authenticate(token, {
    ...(jkt !== undefined && { jkt }),
    ...(certificate !== null && { x5tS256: x5tS256(certificate) }),
  });
  // A bearer's token behind the scheme DPoP is not bound to the key: who stole it could prove any.
  if (scheme === 'DPoP' && caller.credential.confirmation?.jkt === undefined)
    throw new PosternError('POSTERN_UNAUTHORIZED', 'The access token is not bound to a key.');
  return caller;
}
