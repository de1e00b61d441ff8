import { Type } from 'typebox';
import { rfc3339 } from '../../core/time.ts';
import type { ApiDeps } from '../deps.ts';
import { type Api, actorOf, answers } from '../route.ts';
import { closed, orNull, reason } from '../schemas.ts';

const Status = Type.Object({
  origin: Type.String(),
  size: Type.Integer(),
  root: Type.String(),
  checkpoint: Type.String(),
  vkey: Type.String({ description: 'one key a line, the newest first' }),
  losses: Type.Array(Type.String(), { description: 'what was lost of journals before it was in the log' }),
});

const Period = Type.Object({
  from: Type.String(),
  to: Type.String(),
  fromSize: Type.Integer(),
  toSize: Type.Integer(),
});
const Witness = Type.Object({
  name: Type.String(),
  url: Type.String(),
  vkey: Type.String(),
  state: Type.String({ description: 'waiting, ok, lagging, unreachable or refuses' }),
  size: orNull(Type.Integer({ description: 'leaves under the checkpoint it cosigned last' })),
  cosignedAt: orNull(Type.String()),
  error: orNull(Type.String()),
  periods: Type.Array(Period, { description: 'in which it cosigned whenever it was asked, newest first' }),
});
const Policy = Type.Object({
  met: Type.Boolean(),
  quorum: Type.Boolean(),
  log: orNull(Type.Boolean({ description: 'whether the key of the log is one of the policy' })),
  absent: Type.Array(Type.String()),
});
const Witnesses = Type.Object({
  items: Type.Array(Witness),
  cosigned: orNull(Type.Object({ size: Type.Integer(), checkpoint: Type.String() })),
  policy: orNull(Policy),
});

const RotateBody = Type.Object(
  { reason, overlapDays: Type.Optional(Type.Integer({ minimum: 0, maximum: 365 })) },
  closed,
);
const Rotated = Type.Object({
  before: Type.Array(Type.String()),
  after: Type.Array(Type.String()),
  overlapUntil: Type.String(),
});

const DAY_MS = 86_400_000;

export function ledgerRoutes(app: Api, deps: ApiDeps): void {
  const { ledger, witnesses } = deps;

  app.get(
    '/v1/ledger',
    { config: { operation: 'ledger.read' }, schema: { response: answers(200, Status) } },
    async () => ledger.status(),
  );

  app.get(
    '/v1/ledger/witnesses',
    { config: { operation: 'ledger.read' }, schema: { response: answers(200, Witnesses) } },
    async () => {
      const { witnesses: links, cosigned, policy } = witnesses.status();
      const items = links.map(({ time, periods, ...link }) => ({
        ...link,
        cosignedAt: time === null ? null : timeOf(time),
        periods: periods.map((period) => ({
          ...period,
          from: timeOf(period.from),
          to: timeOf(period.to),
        })),
      }));
      return { items, cosigned: cosigned && { size: cosigned.size, checkpoint: cosigned.note }, policy };
    },
  );

  app.post(
    '/v1/ledger/rotate-key',
    {
      config: { operation: 'ledger.rotate-key' },
      schema: { body: RotateBody, response: answers(200, Rotated) },
    },
    async (request) => {
      const overlapMs = (request.body.overlapDays ?? deps.keyOverlapDays) * DAY_MS;
      const { reason } = request.body;
      const change = await ledger.rotateKey({ actor: actorOf(request), overlapMs, reason });
      return { ...change, overlapUntil: timeOf((Date.now() + overlapMs) / 1000) };
    },
  );
}

/** @param seconds since the epoch */
function timeOf(seconds: number): string {
  return rfc3339(Math.round(seconds * 1_000_000));
}
