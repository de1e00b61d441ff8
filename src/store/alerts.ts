/** Reads alerts and how their rules are set. */
import type { AlertRuleName } from '../core/alert-rules.ts';
import type { Alert, AlertRules } from './entities.ts';
import { type Page, paged } from './paging.ts';
import type { StateDb } from './store.ts';

export interface AlertFilter {
  readonly status?: Alert['status'] | 'unresolved' | undefined;
  readonly rule?: AlertRuleName | undefined;
  /** Ids. */
  readonly principal?: string | undefined;
  readonly resource?: string | undefined;
  /** Person id: about principals that they own or back up. */
  readonly owner?: string | undefined;
}

export async function findAlert(db: StateDb, id: string): Promise<Alert | undefined> {
  const row = await db.selectFrom('alerts').select('body').where('id', '=', id).executeTakeFirst();
  return row && (JSON.parse(row.body) as Alert);
}

/** The alert that what is found of this thing joins. @param resource id */
export async function findOpenAlert(
  db: StateDb,
  principal: string,
  rule: AlertRuleName,
  resource: string | null,
): Promise<Alert | undefined> {
  const row = await db
    .selectFrom('alerts')
    .select('body')
    .where('principal_id', '=', principal)
    .where('rule', '=', rule)
    .where('resource_id', resource === null ? 'is' : '=', resource)
    .where('status', '<>', 'closed')
    .executeTakeFirst();
  return row && (JSON.parse(row.body) as Alert);
}

export async function listAlerts(db: StateDb, filter: AlertFilter, page?: Page): Promise<Alert[]> {
  let query = db
    .selectFrom('alerts')
    .innerJoin('principals', 'principals.id', 'alerts.principal_id')
    .select('alerts.body')
    .orderBy('alerts.id');
  const { status, rule, principal, resource, owner } = filter;
  if (status === 'unresolved') query = query.where('alerts.status', '<>', 'closed');
  else if (status !== undefined) query = query.where('alerts.status', '=', status);
  if (rule !== undefined) query = query.where('alerts.rule', '=', rule);
  if (principal !== undefined) query = query.where('alerts.principal_id', '=', principal);
  if (resource !== undefined) query = query.where('alerts.resource_id', '=', resource);
  if (owner !== undefined) {
    query = query.where((e) =>
      e.or([e('principals.owner_id', '=', owner), e('principals.backup_owner_id', '=', owner)]),
    );
  }
  return (await paged(query, 'alerts.id', page).execute()).map(({ body }) => JSON.parse(body) as Alert);
}

/** How many alerts of a principal (id) nobody has closed. */
export async function countUnresolvedAlerts(db: StateDb, principal: string): Promise<number> {
  const query = db.selectFrom('alerts').select((e) => e.fn.countAll<number>().as('count'));
  const row = await query
    .where('principal_id', '=', principal)
    .where('status', '<>', 'closed')
    .executeTakeFirst();
  return Number(row?.count ?? 0);
}

/** The last leaf by which any alert was found; -1 where there is none. */
export async function lastAlertLeaf(db: StateDb): Promise<number> {
  const query = db.selectFrom('alerts').select((e) => e.fn.max('last_leaf').as('leaf'));
  return Number((await query.executeTakeFirst())?.leaf ?? -1);
}

/** How the rules are set; undefined before they were put in force. */
export async function findAlertRules(db: StateDb): Promise<AlertRules | undefined> {
  const row = await db.selectFrom('alert_rules').select('body').executeTakeFirst();
  return row && (JSON.parse(row.body) as AlertRules);
}
