import { createHash } from 'node:crypto';
import { Type } from 'typebox';
import { PosternError } from '../../core/errors.ts';
import type { Ref, SignInMethod } from '../../core/record.ts';
import type { NewSession } from '../../identity/sessions.ts';
import { attempt } from '../browser-session.ts';
import type { ApiDeps } from '../deps.ts';
import { forbidden } from '../rights.ts';
import { type Api, answers, callerOf } from '../route.ts';
import { closed, orNull, Person } from '../schemas.ts';
import { active } from './login-oidc.ts';
import { PersonSession } from './sign-in.ts';

const perMinute = (max: number) => ({ max, timeWindow: 60_000 });
/** A code goes from the browser to the command line on the same machine. */
const CODE_SECONDS = 60;
const base64url = (length: number) => Type.String({ pattern: `^[A-Za-z0-9_-]{${length}}$` });

interface CliCode {
  readonly person: string;
  readonly method: SignInMethod;
  readonly provider: Ref | null;
  readonly authenticatedAt: number | null;
  readonly begunAt: number;
  /** S256 of what the command line keeps to itself (RFC 7636). */
  readonly challenge: string;
}

interface DeviceCode {
  readonly provider: string;
  readonly code: string;
}

const Token = Type.Object({ token: Type.String(), person: Person, session: PersonSession });

/** Signing the command line in: through a browser on the same machine, or with the device flow of a provider. */
export function cliLoginRoutes(app: Api, deps: ApiDeps): void {
  const { doors, persons, sessions } = deps.control;

  const opened = async (login: Omit<NewSession, 'kind' | 'source'>, source: string) => {
    const { token, session } = await sessions.open({ ...login, kind: 'cli', source });
    return { token, session, person: await persons.get(login.person) };
  };

  // Called by the page, for the person who said yes on it.
  app.post(
    '/v1/login/cli/approve',
    {
      config: { operation: 'whoami' },
      schema: {
        body: Type.Object({ challenge: base64url(43) }, closed),
        response: answers(200, Type.Object({ code: Type.String() })),
      },
      bodyLimit: 4096,
    },
    async (request) => {
      const { session, person } = callerOf(request);
      // Neither a token nor a recovery code becomes a session of full length this way.
      if (session?.kind !== 'browser' || session.method === 'recovery_code') {
        throw forbidden('The command line is signed in by somebody who is signed in in a browser.');
      }
      const { method, provider, authenticatedAt } = session;
      const code: CliCode = {
        person: person.id,
        method,
        provider,
        authenticatedAt: authenticatedAt === null ? null : Date.parse(authenticatedAt),
        begunAt: Date.parse(session.createdAt),
        challenge: request.body.challenge,
      };
      return { code: doors.tickets.issue('cli', code, CODE_SECONDS) };
    },
  );

  app.post(
    '/v1/login/cli',
    {
      config: { operation: 'public', rateLimit: perMinute(30) },
      schema: {
        body: Type.Object(
          {
            code: Type.String({ minLength: 1, maxLength: 6000 }),
            verifier: Type.String({ pattern: '^[A-Za-z0-9._~-]{43,128}$' }),
          },
          closed,
        ),
        response: answers(200, Token),
      },
      bodyLimit: 16_384,
    },
    async (request) =>
      attempt(deps, request, 'cli', async () => {
        const { challenge, ...login } = doors.tickets.spend<CliCode>('cli', request.body.code);
        if (createHash('sha256').update(request.body.verifier).digest('base64url') !== challenge) {
          throw new PosternError('POSTERN_UNAUTHORIZED', 'The code is for another command line.');
        }
        return opened(login, request.ip);
      }),
  );

  app.post(
    '/v1/login/device/begin',
    {
      config: { operation: 'public', rateLimit: perMinute(10) },
      schema: {
        body: Type.Object({ provider: Type.String({ minLength: 2, maxLength: 63 }) }, closed),
        response: answers(
          200,
          Type.Object({
            ticket: Type.String(),
            userCode: Type.String(),
            verificationUri: Type.String(),
            verificationUriComplete: orNull(Type.String()),
            interval: Type.Number(),
            expiresIn: Type.Number(),
          }),
        ),
      },
      bodyLimit: 4096,
    },
    async (request) => {
      const provider = await active(deps, request.body.provider);
      if (!(await doors.oidc.hasDeviceFlow(provider))) {
        throw new PosternError(
          'POSTERN_UNSUPPORTED',
          `The provider ${provider.name} has no device flow.`,
          'Sign in through a browser: postern login --browser',
        );
      }
      const { deviceCode, ...shown } = await doors.oidc.beginDevice(provider);
      const kept: DeviceCode = { provider: provider.name, code: deviceCode };
      return { ...shown, ticket: doors.tickets.issue('device', kept, shown.expiresIn) };
    },
  );

  app.post(
    '/v1/login/device',
    {
      config: { operation: 'public', rateLimit: perMinute(60) },
      schema: {
        body: Type.Object({ ticket: Type.String({ minLength: 1, maxLength: 6000 }) }, closed),
        response: {
          ...answers(200, Token),
          ...answers(202, Type.Object({ pending: Type.Boolean(), slower: Type.Boolean() })),
        },
      },
      bodyLimit: 16_384,
    },
    async (request, reply) =>
      attempt(deps, request, 'device', async () => {
        const { ticket } = request.body;
        const { provider: name, code } = doors.tickets.read<DeviceCode>('device', ticket);
        const provider = await active(deps, name);
        const claims = await doors.oidc.pollDevice(provider, code);
        if (claims === null || claims === 'slower') {
          return reply.status(202).send({ pending: true, slower: claims === 'slower' });
        }
        doors.tickets.spend('device', ticket);
        const person = await doors.logins.byClaims(provider, claims, null);
        const by = { id: provider.id, name: provider.name };
        const login = {
          person,
          method: 'device',
          provider: by,
          authenticatedAt: claims.authenticatedAt,
        } as const;
        return opened(login, request.ip);
      }),
  );
}
