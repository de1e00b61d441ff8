/** What somebody decides about an alert, and who may. */
import { type AlertRuleName, STANDARD_SETTINGS } from '../../core/alert-rules.ts';
import { PosternError } from '../../core/errors.ts';
import { findAlertRules } from '../../store/alerts.ts';
import type { Change } from '../../store/changes.ts';
import type { Alert, AlertDisposition, AlertRules, Person } from '../../store/entities.ts';
import { findPrincipal, listGrants } from '../../store/queries.ts';
import type { StateDb } from '../../store/store.ts';
import { endedGrant } from '../grants.ts';
import { suspended } from '../lifecycle.ts';

const EXPECTED_MAX = 1000;

/** How the rules are set, as long as nobody has said anything. */
export const STANDARD_RULES: AlertRules = { id: 'alert_rules', rules: STANDARD_SETTINGS, expected: [] };

/**
 * Why a person does not close an alert, or null. Who could have caused it does not: a credential of the principal was issued by them,
 * or for use on their behalf, that held when it happened. Who answers for the principal may explain, and no more.
 */
export async function closingRefusal(
  db: StateDb,
  alert: Alert,
  person: Person,
  kind: AlertDisposition['kind'],
): Promise<string | null> {
  if (await couldCause(db, alert, person.id)) {
    return `${person.name} could have used ${alert.principal.name} when it happened`;
  }
  if (kind !== 'false_positive') return null;
  const principal = await findPrincipal(db, alert.principal.id);
  if (principal?.owner.id === person.id || principal?.backupOwner?.id === person.id) {
    return `${person.name} answers for ${alert.principal.name}`;
  }
  const looksOn = person.roles.includes('reviewer') || person.roles.includes('admin');
  return looksOn ? null : `${person.name} is no reviewer`;
}

async function couldCause(db: StateDb, alert: Alert, person: string): Promise<boolean> {
  const row = await db
    .selectFrom('credentials')
    .select('id')
    .where('principal_id', '=', alert.principal.id)
    .where('created_at', '<=', alert.lastAt)
    .where('expires_at', '>', alert.firstAt)
    .where((e) => e.or([e('issued_by', '=', person), e('delegation', 'like', `%"${person}"%`)]))
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** What ends by `revoke`: the principal is suspended, or its active grants end, those on the alert's resource where it has one. */
export async function revocation(
  db: StateDb,
  alert: Alert,
  what: 'grants' | 'principal',
  at: string,
  reason: string,
): Promise<readonly Change[]> {
  const why = `alert ${alert.id}: ${reason}`;
  if (what === 'principal') {
    const principal = await findPrincipal(db, alert.principal.id);
    return principal?.status === 'active' ? [suspended(principal, why)] : [];
  }
  const grants = await listGrants(db, {
    principal: alert.principal.id,
    status: 'active',
    ...(alert.resource !== null && { resource: alert.resource.id }),
  });
  return grants.map((grant) => endedGrant(grant, 'revoked', at, why));
}

/** The change after which what an alert names raises none any more. @throws PosternError POSTERN_CONFLICT where too much is expected */
export async function expecting(db: StateDb, alert: Alert, reason: string): Promise<readonly Change[]> {
  const before = await findAlertRules(db);
  const known = before ?? STANDARD_RULES;
  const { rule } = alert;
  const principal = alert.principal.id;
  const fresh = alert.values.filter((value) => !isExpected(known, rule, principal, value));
  if (fresh.length === 0) return [];
  const expected = [...known.expected, ...fresh.map((value) => ({ rule, principal, value }))];
  if (expected.length > EXPECTED_MAX) {
    throw new PosternError(
      'POSTERN_CONFLICT',
      `At most ${EXPECTED_MAX} things are expected.`,
      'Switch the rule off, or take back what is not needed: postern alert rules forget',
    );
  }
  return [rulesChange(before ?? null, { ...known, expected }, reason)];
}

export const isExpected = (
  { expected }: AlertRules,
  rule: AlertRuleName,
  principal: string,
  value: string,
): boolean =>
  expected.some((each) => each.rule === rule && each.principal === principal && each.value === value);

export function rulesChange(before: AlertRules | null, after: AlertRules, reason: string): Change {
  return { type: 'config.changed', entity: 'alert_rules', before, after, reason };
}
