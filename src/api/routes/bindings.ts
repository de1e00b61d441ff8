import { Type } from 'typebox';
import { atMillis } from '../../identity/input.ts';
import { type LintFinding, lintBinding } from '../../identity/presets/lint.ts';
import type { Binding as AnyBinding } from '../../store/entities.ts';
import type { ApiDeps } from '../deps.ts';
import { requireOwn } from '../rights.ts';
import { type Api, actorOf, answers, personOf } from '../route.ts';
import { closed, IdParams, listOf, orNull, ReasonBody, RefParams, reason } from '../schemas.ts';

const Text = Type.String();
const text = Type.String({ minLength: 1, maxLength: 500 });

const Ref = Type.Object({ id: Text, name: Text });

/** What every binding has, and what only those of a kind have. */
export const Binding = Type.Object({
  id: Text,
  principal: Ref,
  kind: Text,
  issuer: Type.Optional(Text),
  audience: Type.Optional(orNull(Text)),
  claims: Type.Optional(Type.Record(Text, Text)),
  spiffeId: Type.Optional(Text),
  account: Type.Optional(Text),
  uniqueId: Type.Optional(Text),
  session: Type.Optional(orNull(Text)),
  region: Type.Optional(Text),
  cluster: Type.Optional(Text),
  namespace: Type.Optional(Text),
  serviceAccount: Type.Optional(Text),
  uid: Type.Optional(Text),
  trust: Type.Optional(orNull(Ref)),
  by: Type.Optional(Text),
  value: Type.Optional(Text),
  reason: Type.Optional(Text),
  requestedBy: Type.Optional(Ref),
  approver: Type.Optional(Ref),
  approvedAt: Type.Optional(orNull(Text)),
  expiresAt: Type.Optional(Text),
  jwk: Type.Optional(orNull(Type.Record(Text, Text))),
  thumbprint: Type.Optional(orNull(Text)),
  generation: Type.Optional(Type.Integer()),
  joinBy: Type.Optional(Text),
  fingerprint: Type.Optional(orNull(Text)),
  sshPrincipal: Type.Optional(orNull(Text)),
  preset: Type.Optional(Text),
  contains: Type.Optional(Type.Record(Text, Text)),
  reuse: Type.Optional(Type.Boolean()),
  keys: Type.Optional(
    Type.Object({
      ca: Type.Optional(Text),
      server: Type.Optional(Text),
      jwks: Type.Optional(Type.Object({ keys: Type.Array(Type.Record(Text, Type.Unknown())) })),
    }),
  ),
  status: Text,
  endReason: orNull(Text),
  endedAt: orNull(Text),
  createdAt: Text,
});

const Finding = Type.Object({ code: Text, severity: Text, message: Text, fix: Text });
const BindingMade = Type.Intersect([Binding, Type.Object({ findings: Type.Array(Finding) })]);

const Claims = Type.Record(Type.String({ maxLength: 200 }), text, { maxProperties: 16 });
const pem = Type.String({ minLength: 1, maxLength: 32_768 });

export const BindingBody = Type.Object(
  {
    issuer: text,
    audience: text,
    claims: Claims,
    contains: Type.Optional(Claims),
    preset: Type.Optional(Type.String({ maxLength: 40 })),
    reuse: Type.Optional(Type.Boolean()),
    keys: Type.Optional(
      Type.Object({ ca: Type.Optional(pem), server: Type.Optional(text), jwks: Type.Optional(pem) }, closed),
    ),
    reason: Type.Optional(reason),
  },
  closed,
);

const IssuerState = Type.Object({
  issuer: Text,
  state: Text,
  keys: Type.Array(Type.Object({ kid: orNull(Text), alg: Text })),
  fetchedAt: orNull(Text),
  askedAt: orNull(Text),
  trustedUntil: orNull(Text),
  error: orNull(Text),
});

const timeOf = (ms: number | null): string | null => (ms === null ? null : atMillis(ms));

/** What the linter says of a binding. */
const findingsOf = (binding: AnyBinding): LintFinding[] =>
  binding.kind === 'oidc' ? lintBinding(binding) : [];

/** How principals prove themselves without a secret of Postern's. */
export function bindingRoutes(app: Api, deps: ApiDeps): void {
  const { bindings, principals } = deps.control;

  app.post(
    '/v1/principals/:ref/bindings',
    {
      config: { operation: 'binding.create' },
      schema: { params: RefParams, body: BindingBody, response: answers(201, BindingMade) },
    },
    async (request, reply) => {
      const principal = await principals.get(request.params.ref);
      const made = await bindings.create(actorOf(request), {
        ...request.body,
        kind: 'oidc',
        principal: principal.id,
      });
      return reply.status(201).send({ ...made, findings: findingsOf(made) });
    },
  );

  app.get(
    '/v1/bindings/lint',
    {
      config: { operation: 'binding.list' },
      schema: {
        response: answers(
          200,
          listOf(Type.Intersect([Finding, Type.Object({ binding: Text, principal: Ref })])),
        ),
      },
    },
    async (request) => {
      const owner = request.reach === 'own' ? personOf(request).id : undefined;
      const items = (await bindings.all(owner)).flatMap((binding) =>
        findingsOf(binding).map((each) => ({ ...each, binding: binding.id, principal: binding.principal })),
      );
      return { items, next: null };
    },
  );

  app.get(
    '/v1/issuers',
    {
      config: { operation: 'issuer.list' },
      schema: { response: answers(200, listOf(IssuerState)) },
    },
    async () => {
      const items = deps.control.issuers().map((each) => ({
        ...each,
        fetchedAt: timeOf(each.fetchedAt),
        askedAt: timeOf(each.askedAt),
        trustedUntil: timeOf(each.trustedUntil),
      }));
      return { items, next: null };
    },
  );

  app.get(
    '/v1/principals/:ref/bindings',
    {
      config: { operation: 'binding.list' },
      schema: { params: RefParams, response: answers(200, listOf(Binding)) },
    },
    async (request) => {
      const principal = await principals.get(request.params.ref);
      requireOwn(personOf(request), request.reach, principal);
      return { items: await bindings.list(principal.id), next: null };
    },
  );

  app.post(
    '/v1/bindings/:id/remove',
    {
      config: { operation: 'binding.remove' },
      schema: { params: IdParams, body: ReasonBody, response: answers(200, Binding) },
    },
    async (request) => {
      const binding = await bindings.get(request.params.id);
      requireOwn(personOf(request), request.reach, await principals.get(binding.principal.id));
      return bindings.remove(actorOf(request), binding.id, request.body.reason);
    },
  );
}
