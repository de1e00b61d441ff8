/** From a change record to the row of its entity. */
import { PosternError } from '../core/errors.ts';
import type { ChangeRecord } from '../core/record.ts';
import type { EntityName } from './entities.ts';
import { channelRow, linkRow } from './notify.ts';
import * as rows from './rows.ts';
import type { StateTables } from './schema.ts';
import type { StateDb } from './store.ts';

/** How the row of an entity is put in the place of the one before. */
type Put = (db: StateDb, after: object) => Promise<unknown>;

/** Tables whose rows are found by their id. */
type Table = {
  [T in keyof StateTables]: 'id' extends keyof StateTables[T] ? T : never;
}[keyof StateTables];

function into<E>(table: Table, rowOf: (entity: E) => object): Put {
  return async (db, after) => {
    const row = rowOf(after as E);
    // Kysely knows the row of each table, and not that these two belong together.
    const put = db.insertInto(table).values(row as never);
    await put.onConflict((c) => c.column('id').doUpdateSet(row as never)).execute();
  };
}

const PUTS: { readonly [N in EntityName]: Put } = {
  person: into('persons', rows.personRow),
  principal: into('principals', rows.principalRow),
  resource: into('resources', rows.resourceRow),
  grant: into('grants', rows.grantRow),
  credential: into('credentials', rows.credentialRow),
  binding: into('bindings', rows.bindingRow),
  trust: into('trust', rows.trustRow),
  delegation: into('delegations', rows.delegationRow),
  mask: into('masks', rows.maskRow),
  legal_hold: into('legal_holds', rows.legalHoldRow),
  retention: into('retention', rows.retentionRow),
  parameters: into('framework_parameters', rows.frameworkParametersRow),
  authenticator: into('authenticators', rows.authenticatorRow),
  identity_provider: into('identity_providers', rows.identityProviderRow),
  directory: into('directories', rows.directoryRow),
  group: into('groups', rows.groupRow),
  sign_in: into('sign_in', rows.signInRow),
  lifecycle: into('lifecycle', rows.lifecycleRow),
  declaration: into('declarations', rows.declarationRow),
  notice: into('notices', rows.noticeRow),
  policy: into('policies', rows.policyRow),
  request: into('requests', rows.requestRow),
  review: into('reviews', rows.reviewRow),
  review_item: into('review_items', rows.reviewItemRow),
  review_schedule: into('review_schedules', rows.reviewScheduleRow),
  evidence_schedule: into('evidence_schedules', rows.evidenceScheduleRow),
  log_review: into('log_reviews', rows.logReviewRow),
  channel: into('channels', channelRow),
  link: into('links', linkRow),
  alert: into('alerts', rows.alertRow),
  alert_rules: into('alert_rules', rows.alertRulesRow),
  reconciliation: into('reconciliations', rows.reconciliationRow),
  unmanaged: into('unmanaged', rows.unmanagedRow),
  sink: into('sinks', rows.sinkRow),
};

/** Makes the entity's row what the record says it is after the change. Applying a record again changes nothing. */
export async function applyChange(db: StateDb, record: ChangeRecord): Promise<void> {
  const { entity, after } = record.change;
  if (!Object.hasOwn(PUTS, entity)) {
    throw new PosternError('POSTERN_INTERNAL', `Record ${record.id} changes something unknown.`);
  }
  await PUTS[entity](db, after);
}
