import { Type } from 'typebox';
import type { ApiDeps } from '../deps.ts';
import { type Api, actorOf, answers } from '../route.ts';
import { orNull, ReasonBody } from '../schemas.ts';

const MasterKey = Type.Object({
  id: Type.String(),
  provider: Type.String({ description: 'data directory, file, environment, command or exec' }),
  since: Type.String(),
});
const Status = Type.Object({
  masterKey: MasterKey,
  dataKeys: Type.Array(
    Type.Object({
      number: Type.Integer(),
      made: orNull(Type.String()),
      current: Type.Boolean(),
      secrets: Type.Integer({ description: 'upstream passwords and keys of this installation under it' }),
      textKeys: Type.Integer({
        description: 'keys of recorded texts under it, one per principal, day and kind',
      }),
    }),
  ),
  unknown: Type.Integer({ description: 'sealed values that no key opens' }),
  resealing: Type.Boolean({ description: 'whether what older keys sealed is being sealed anew' }),
});
const Rotated = Type.Object({ before: MasterKey, after: MasterKey });

export function vaultRoutes(app: Api, { control }: ApiDeps): void {
  app.get(
    '/v1/vault',
    { config: { operation: 'vault.read' }, schema: { response: answers(200, Status) } },
    async () => control.vault.status(),
  );

  app.post(
    '/v1/vault/rotate-master-key',
    {
      config: { operation: 'vault.rotate' },
      schema: { body: ReasonBody, response: answers(200, Rotated) },
    },
    async (request) => control.vault.rotate(actorOf(request), request.body.reason),
  );
}
