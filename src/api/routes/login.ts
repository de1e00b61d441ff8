import { Type } from 'typebox';
import { requireOrigin } from '../authenticate.ts';
import { attempt, beginBrowserSession } from '../browser-session.ts';
import type { ApiDeps } from '../deps.ts';
import { type Api, answers } from '../route.ts';
import { Authenticator, closed, Person } from '../schemas.ts';

const perMinute = (max: number) => ({ max, timeWindow: 60_000 });
const Ticket = Type.String({ minLength: 1, maxLength: 6000 });
/** What the browser answers is checked by the standard's own rules; here only that it is no heap of something else. */
const Shown = Type.Object({ id: Type.String({ maxLength: 2000 }) }, { additionalProperties: true });
const Begun = Type.Object({ options: Type.Unsafe<object>({}), ticket: Type.String() });
const Invitation = Type.String({ minLength: 1, maxLength: 100 });
const Entered = Type.Object({ person: Person });

/** Coming in with a passkey, a recovery code or an invitation; by pages of this installation alone. */
export function loginRoutes(app: Api, deps: ApiDeps): void {
  const { doors, persons } = deps.control;
  const party = (): { origin: string } => ({ origin: deps.publicUrl() });

  app.get(
    '/v1/login/ways',
    {
      config: { operation: 'public' },
      schema: {
        response: answers(
          200,
          Type.Object({
            publicUrl: Type.String(),
            providers: Type.Array(Type.Object({ name: Type.String() })),
          }),
        ),
      },
    },
    async () => ({ publicUrl: deps.publicUrl(), providers: await doors.providers.list('active') }),
  );

  app.post(
    '/v1/login/passkey/begin',
    {
      config: { operation: 'public', rateLimit: perMinute(60) },
      schema: { response: answers(200, Begun) },
    },
    async (request) => {
      requireOrigin(request, deps.publicUrl());
      return doors.passkeys.beginLogin(party());
    },
  );

  app.post(
    '/v1/login/passkey',
    {
      config: { operation: 'public', rateLimit: perMinute(30) },
      schema: {
        body: Type.Object({ ticket: Ticket, response: Shown }, closed),
        response: answers(200, Entered),
      },
      bodyLimit: 32_768,
    },
    async (request, reply) => {
      requireOrigin(request, deps.publicUrl());
      return attempt(deps, request, 'passkey', async () => {
        const { ticket, response } = request.body;
        const id = await doors.passkeys.login(party(), ticket, response);
        const login = { person: id, method: 'passkey', provider: null, authenticatedAt: Date.now() } as const;
        await beginBrowserSession(deps, request, reply, login);
        return { person: await persons.get(id) };
      });
    },
  );

  app.post(
    '/v1/login/recovery',
    {
      config: { operation: 'public', rateLimit: perMinute(10) },
      schema: {
        body: Type.Object(
          {
            email: Type.String({ minLength: 1, maxLength: 254 }),
            code: Type.String({ minLength: 1, maxLength: 64 }),
          },
          closed,
        ),
        response: answers(200, Entered),
      },
      bodyLimit: 4096,
    },
    async (request, reply) => {
      requireOrigin(request, deps.publicUrl());
      return attempt(deps, request, 'recovery_code', async () => {
        const { email, code } = request.body;
        const id = await doors.recovery.use(email.trim().toLowerCase(), code);
        const login = {
          person: id,
          method: 'recovery_code',
          provider: null,
          authenticatedAt: Date.now(),
        } as const;
        await beginBrowserSession(deps, request, reply, login);
        return { person: await persons.get(id) };
      });
    },
  );

  app.post(
    '/v1/login/invitation/begin',
    {
      config: { operation: 'public', rateLimit: perMinute(30) },
      schema: {
        body: Type.Object({ invitation: Invitation }, closed),
        response: answers(
          200,
          Type.Object({
            name: Type.String(),
            email: Type.String(),
            options: Type.Unsafe<object>({}),
            ticket: Type.String(),
          }),
        ),
      },
      bodyLimit: 4096,
    },
    async (request) => {
      requireOrigin(request, deps.publicUrl());
      return attempt(deps, request, 'invitation', async () => {
        const person = await doors.invitations.open(request.body.invitation);
        const begun = await doors.passkeys.beginEnrolment(person, party());
        return { name: person.name, email: person.email, ...begun };
      });
    },
  );

  app.post(
    '/v1/login/invitation',
    {
      config: { operation: 'public', rateLimit: perMinute(30) },
      schema: {
        body: Type.Object(
          {
            invitation: Invitation,
            ticket: Ticket,
            response: Shown,
            label: Type.String({ minLength: 1, maxLength: 100 }),
          },
          closed,
        ),
        response: answers(
          200,
          Type.Object({
            person: Person,
            authenticator: Authenticator,
            recoveryCodes: Type.Array(Type.String()),
          }),
        ),
      },
      bodyLimit: 65_536,
    },
    async (request, reply) => {
      requireOrigin(request, deps.publicUrl());
      return attempt(deps, request, 'invitation', async () => {
        const { invitation, ...answer } = request.body;
        const person = await doors.invitations.open(invitation);
        const authenticator = await doors.passkeys.enrol(person, party(), answer, invitation);
        const recoveryCodes = await doors.recovery.issue(person);
        const login = {
          person: person.id,
          method: 'invitation',
          provider: null,
          authenticatedAt: Date.now(),
        } as const;
        await beginBrowserSession(deps, request, reply, login);
        return { person, authenticator, recoveryCodes };
      });
    },
  );
}
