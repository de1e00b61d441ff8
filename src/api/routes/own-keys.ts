import { Type } from 'typebox';
import { checkReason } from '../../identity/input.ts';
import type { ApiDeps } from '../deps.ts';
import { type Api, actorOf, agentOf, answers } from '../route.ts';
import { ReasonBody } from '../schemas.ts';

/** Keys with which Postern itself signs, but for the log's. */
export function ownKeyRoutes(app: Api, deps: ApiDeps): void {
  const { own } = deps.control;

  app.get(
    '/v1/ssh-ca',
    {
      config: { operation: 'connection' },
      schema: { response: answers(200, Type.Object({ publicKey: Type.String() })) },
    },
    async () => ({ publicKey: own.sshCaLine }),
  );

  app.post(
    '/v1/token-keys/rotate',
    {
      config: { operation: 'token-key.rotate' },
      schema: {
        body: ReasonBody,
        response: answers(200, Type.Object({ before: Type.String(), after: Type.String() })),
      },
    },
    (request) => own.rotateKey(actorOf(request), checkReason(request.body.reason)),
  );

  app.get(
    '/v1/self',
    {
      config: { operation: 'self' },
      schema: {
        response: answers(
          200,
          Type.Object({
            principal: Type.Object({ id: Type.String(), name: Type.String(), kind: Type.String() }),
            credential: Type.Object({ id: Type.String(), expiresAt: Type.String() }),
            delegation: Type.Array(
              Type.Object({ kind: Type.String(), id: Type.String(), name: Type.String() }),
            ),
          }),
        ),
      },
    },
    async (request) => {
      const { principal, credential } = agentOf(request);
      return { principal, credential, delegation: credential.delegation };
    },
  );
}
