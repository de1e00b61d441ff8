import type { ReconcileWorld } from '../access/reconcile/reconciliations.ts';
import { StatementTotals } from '../access/reconcile/statement-totals.ts';
import type { ApiDeps } from './deps.ts';
import { observedOf, statementOf } from './seen.ts';

/** What a reconciliation asks: the workers, and the index when it has all that is journalled. */
export function reconcileWorld(deps: Pick<ApiDeps, 'activity' | 'gateway' | 'ledger'>): ReconcileWorld {
  const totals = new StatementTotals();
  return {
    survey: (resource) => deps.gateway.survey(resource),
    recorded: async (resources) => {
      await deps.ledger.flush();
      const seen = resources.flatMap((resource) => observedOf(deps, { resource }));
      return totals.of(
        seen
          .filter(({ allowed }) => allowed > 0)
          .map(({ fingerprint, allowed, lastAllowed }) => ({
            ...{ fingerprint, allowed },
            text: async () => (lastAllowed === null ? null : statementOf(deps, lastAllowed)),
          })),
      );
    },
  };
}
