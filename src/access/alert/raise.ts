/** What was found in the log becomes alerts. */
import type { Finding } from '../../core/alert-finding.ts';
import { uuidv7 } from '../../core/ids.ts';
import { rfc3339 } from '../../core/time.ts';
import { findOpenAlert, lastAlertLeaf } from '../../store/alerts.ts';
import type { Change } from '../../store/changes.ts';
import type { Alert } from '../../store/entities.ts';
import { findPrincipal, findResource } from '../../store/queries.ts';
import type { StateDb } from '../../store/store.ts';
import { refOf } from '../request-outcomes.ts';

/** Values and leaves that one alert names; the rest is counted. */
const NAMED_MAX = 50;

interface Planned {
  readonly before: Alert | null;
  readonly after: Alert;
}

/**
 * The changes that findings come to: a new alert, or one more time of an alert that nobody has closed. Findings up to the last leaf by
 * which any alert was found were taken before, whoever brings them again.
 *
 * @param findings in the order of their leaves, with all that there are of each leaf
 * @param now microseconds since the Unix epoch
 */
export async function raised(db: StateDb, findings: readonly Finding[], now: number): Promise<Change[]> {
  const taken = await lastAlertLeaf(db);
  const planned = new Map<string, Planned>();
  for (const finding of findings) {
    if (finding.leaf <= taken) continue;
    const resource = finding.resource?.id ?? null;
    const key = `${finding.rule} ${finding.principal.id} ${resource}`;
    const held = planned.get(key);
    const before =
      held?.before ?? (await findOpenAlert(db, finding.principal.id, finding.rule, resource)) ?? null;
    const known = held?.after ?? before;
    const after = known === null ? await newAlert(db, finding, now) : joined(known, finding);
    if (after !== null) planned.set(key, { before, after });
  }
  return [...planned.values()].map(({ before, after }) => ({
    type: before === null ? 'alert.raised' : 'alert.repeated',
    entity: 'alert',
    before,
    after,
    principal: after.principal,
  }));
}

/** Null where the state knows no such principal. */
async function newAlert(db: StateDb, finding: Finding, now: number): Promise<Alert | null> {
  const principal = await findPrincipal(db, finding.principal.id);
  if (principal === undefined) return null;
  const { rule, parameters, values, leaves, count, leaf } = finding;
  const resource = finding.resource === null ? undefined : await findResource(db, finding.resource.id);
  const at = rfc3339(finding.time);
  return {
    id: uuidv7(),
    rule,
    parameters,
    principal: refOf(principal),
    owner: refOf(principal.owner),
    resource: resource === undefined ? null : refOf(resource),
    ...{ values, leaves, count, firstAt: at, lastAt: at, lastFound: leaf },
    ...{ status: 'open', acknowledged: null, disposition: null, createdAt: rfc3339(now) },
  };
}

function joined(before: Alert, { time, values, leaves, count, leaf }: Finding): Alert {
  const at = rfc3339(time);
  return {
    ...before,
    values: [...new Set([...before.values, ...values])].slice(0, NAMED_MAX),
    leaves: [...new Set([...before.leaves, ...leaves])].slice(0, NAMED_MAX),
    count: before.count + count,
    lastAt: [before.lastAt, at].sort().at(-1) ?? at,
    lastFound: leaf,
  };
}
