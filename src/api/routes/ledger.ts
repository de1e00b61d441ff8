import { Type } from 'typebox';
import type { ApiDeps } from '../deps.ts';
import { type Api, answers } from '../route.ts';

const Status = Type.Object({
  origin: Type.String(),
  size: Type.Integer(),
  root: Type.String(),
  checkpoint: Type.String(),
  vkey: Type.String(),
});

export function ledgerRoutes(app: Api, deps: ApiDeps): void {
  app.get(
    '/v1/ledger',
    { config: { operation: 'ledger.read' }, schema: { response: answers(200, Status) } },
    async () => deps.ledger.status(),
  );
}
