import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { PosternError } from '../../core/errors.ts';
import type { OidcAttempt } from '../../identity/oidc-client.ts';
import type { IdentityProvider } from '../../store/entities.ts';
import { requireOrigin } from '../authenticate.ts';
import { attempt, beginBrowserSession } from '../browser-session.ts';
import { LOGIN_COOKIE, readCookie, setCookie } from '../cookies.ts';
import type { ApiDeps } from '../deps.ts';
import { type Api, answers } from '../route.ts';
import { closed } from '../schemas.ts';

const perMinute = (max: number) => ({ max, timeWindow: 60_000 });
/** So long may somebody take at their provider. */
const LOGIN_SECONDS = 600;

const Name = Type.Object({ provider: Type.String({ minLength: 2, maxLength: 63 }) });
const Flag = Type.Optional(Type.String({ pattern: '^1$' }));

interface Begun {
  readonly provider: string;
  readonly attempt: OidcAttempt;
  /** Where on this installation the browser goes in the end. */
  readonly next: string;
  readonly invitation: string | null;
}

/** Coming in through an OpenID provider, with a browser. */
export function oidcLoginRoutes(app: Api, deps: ApiDeps): void {
  const { doors, signIn } = deps.control;

  const begin = async (
    reply: FastifyReply,
    name: string,
    options: {
      readonly again: boolean;
      readonly next: string | undefined;
      readonly invitation: string | null;
    },
  ): Promise<string> => {
    const provider = await active(deps, name);
    const maxAge = options.again ? (await signIn.settings()).freshSeconds : null;
    const begun = await doors.oidc.begin(provider, callback(deps, provider), maxAge);
    const kept: Begun = {
      provider: provider.id,
      attempt: begun.attempt,
      next: localPath(options.next, deps.publicUrl()),
      invitation: options.invitation,
    };
    setCookie(reply, LOGIN_COOKIE, doors.tickets.issue('oidc', kept, LOGIN_SECONDS), LOGIN_SECONDS);
    return begun.url;
  };

  app.get(
    '/login/with/:provider',
    {
      config: { operation: 'public', rateLimit: perMinute(60) },
      schema: {
        hide: true,
        params: Name,
        querystring: Type.Object(
          { again: Flag, next: Type.Optional(Type.String({ maxLength: 500 })) },
          closed,
        ),
      },
    },
    async (request, reply) => {
      const { again, next } = request.query;
      const options = { again: again !== undefined, next, invitation: null };
      return reply.redirect(await begin(reply, request.params.provider, options), 303);
    },
  );

  // The invitation is a secret, so it comes in a body and not in an address.
  app.post(
    '/v1/login/invitation/provider',
    {
      config: { operation: 'public', rateLimit: perMinute(30) },
      schema: {
        body: Type.Object(
          {
            invitation: Type.String({ minLength: 1, maxLength: 100 }),
            provider: Type.String({ minLength: 2, maxLength: 63 }),
          },
          closed,
        ),
        response: answers(200, Type.Object({ url: Type.String() })),
      },
      bodyLimit: 4096,
    },
    async (request, reply) => {
      requireOrigin(request, deps.publicUrl());
      return attempt(deps, request, 'invitation', async () => {
        const { invitation, provider } = request.body;
        await doors.invitations.open(invitation);
        return { url: await begin(reply, provider, { again: false, next: undefined, invitation }) };
      });
    },
  );

  app.get(
    '/login/callback/:provider',
    { config: { operation: 'public', rateLimit: perMinute(60) }, schema: { hide: true, params: Name } },
    async (request, reply) => {
      try {
        return reply.redirect(await attempt(deps, request, 'oidc', () => finish(deps, request, reply)), 303);
      } catch (error) {
        if (!(error instanceof PosternError)) throw error;
        const code = error.code.replace('POSTERN_', '').toLowerCase();
        return reply.redirect(`/login?failed=${code}`, 303);
      }
    },
  );
}

/** @returns where the browser goes on */
async function finish(deps: ApiDeps, request: FastifyRequest, reply: FastifyReply): Promise<string> {
  const { doors } = deps.control;
  const cookie = readCookie(request, LOGIN_COOKIE);
  setCookie(reply, LOGIN_COOKIE, '', 0);
  if (cookie === null) throw new PosternError('POSTERN_UNAUTHORIZED', 'No login was begun in this browser.');
  const { provider: id, attempt: begun, next, invitation } = doors.tickets.spend<Begun>('oidc', cookie);
  const { provider: name } = request.params as { readonly provider: string };
  const provider = await active(deps, name);
  // Each provider comes back to a path of its own: an answer of one cannot be passed off as one of another.
  if (provider.id !== id)
    throw new PosternError('POSTERN_UNAUTHORIZED', 'The answer is of another provider.');
  const answer = new URL(callback(deps, provider));
  answer.search = new URL(request.url, deps.publicUrl()).search;
  const claims = await doors.oidc.finish(provider, answer, begun);
  const person = await doors.logins.byClaims(provider, claims, invitation);
  await beginBrowserSession(deps, request, reply, {
    person,
    method: 'oidc',
    provider: { id: provider.id, name: provider.name },
    authenticatedAt: claims.authenticatedAt,
  });
  return next;
}

export async function active(deps: ApiDeps, name: string): Promise<IdentityProvider> {
  const provider = await deps.control.doors.providers.get(name);
  if (provider.status === 'active') return provider;
  throw new PosternError('POSTERN_NOT_FOUND', `There is no provider ${JSON.stringify(name)}.`);
}

const callback = (deps: ApiDeps, { name }: IdentityProvider): string =>
  `${deps.publicUrl()}/login/callback/${name}`;

/** A path of this installation, whatever was asked for. */
export function localPath(next: string | undefined, publicUrl: string): string {
  if (next === undefined || !/^\/[\x21-\x7e]*$/.test(next) || /[\\]/.test(next)) return '/login';
  const url = URL.canParse(next, publicUrl) ? new URL(next, publicUrl) : null;
  if (url === null || url.origin !== publicUrl) return '/login';
  return `${url.pathname}${url.search}`.replace(/^\/{2,}/, '/');
}
