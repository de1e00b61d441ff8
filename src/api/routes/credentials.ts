import { Type } from 'typebox';
import { PosternError } from '../../core/errors.ts';
import type { ApiDeps } from '../deps.ts';
import { requireOwn } from '../rights.ts';
import { type Api, actorOf, answers, listed, pageOf, personOf } from '../route.ts';
import {
  Address,
  Credential,
  CredentialBody,
  endingStatus,
  IdParams,
  listOf,
  orNull,
  page,
  ReasonBody,
  refText,
} from '../schemas.ts';

const ListQuery = Type.Object(
  { ...page, principal: Type.Optional(refText), status: Type.Optional(endingStatus) },
  { additionalProperties: false },
);

/** With `password` or `certificate`, as the kind is. */
const Issued = Type.Object({
  credential: Credential,
  username: Type.String(),
  password: Type.Optional(Type.String()),
  certificate: Type.Optional(Type.String()),
  connection: Type.Object({
    host: Type.String(),
    port: Type.Integer(),
    http: orNull(Address),
    ca: Type.String(),
  }),
});

export function credentialRoutes(app: Api, deps: ApiDeps): void {
  const { credentials, principals } = deps.control;

  app.post(
    '/v1/credentials',
    {
      config: { operation: 'credential.issue' },
      schema: { body: CredentialBody, response: answers(201, Issued) },
    },
    async (request, reply) => {
      const principal = await principals.get(request.body.principal);
      requireOwn(personOf(request), request.reach, principal);
      const { kind = 'password', csr, grant, ttlSeconds } = request.body;
      if ((kind === 'certificate') !== (csr !== undefined)) {
        throw new PosternError(
          'POSTERN_INVALID',
          'A certificate needs a certificate request (csr), and nothing else does.',
        );
      }
      const input = { principal: principal.id, grant, ttlSeconds };
      const actor = actorOf(request);
      const issued =
        csr === undefined
          ? await credentials.issue(actor, input)
          : await credentials.issueCertificate(actor, { ...input, csr });
      const { postgres, http } = deps.addresses();
      const { host, port } = postgres;
      return reply.status(201).send({ ...issued, connection: { host, port, http, ca: deps.tls.caPem } });
    },
  );

  app.get(
    '/v1/credentials',
    {
      config: { operation: 'credential.list' },
      schema: { querystring: ListQuery, response: answers(200, listOf(Credential)) },
    },
    async (request) => {
      const { principal, status = 'active' } = request.query;
      const page = pageOf(request.query);
      const filter = {
        principal: principal && (await principals.get(principal)).id,
        status: status === 'all' ? undefined : status,
        owner: request.reach === 'own' ? personOf(request).id : undefined,
      };
      return listed(await credentials.list(filter, page), page);
    },
  );

  app.post(
    '/v1/credentials/:id/revoke',
    {
      config: { operation: 'credential.revoke' },
      schema: { params: IdParams, body: ReasonBody, response: answers(200, Credential) },
    },
    async (request) => {
      const credential = await credentials.get(request.params.id);
      requireOwn(personOf(request), request.reach, await principals.get(credential.principal.id));
      return credentials.revoke(actorOf(request), credential.id, request.body.reason);
    },
  );
}
