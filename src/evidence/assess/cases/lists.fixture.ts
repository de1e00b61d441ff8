/** For tests: a world in which each list of a framework has something, and what it must have. */
import type { World } from '../cases.fixture.ts';
import { looks, truncates } from './examiners.fixture.ts';

const LATER = new Date(Date.now() + 5 * 86_400_000).toISOString();

/** Something happens of each kind that frameworks list. */
export async function everything(w: World): Promise<void> {
  const { control, actor, people, own } = w;
  await truncates(w);
  const refused = { resource: own.batch.resource, protocol: 'postgres', source: '10.1.1.7:50412' };
  const decision = { effect: 'deny', code: 'POSTERN_CONDITION_DENIED', reason: 'outside of its hours' };
  await w.tell('command.denied', own.batch.principal, {
    ...{ ...refused, session: await w.session(own.batch), verbs: ['drop'], objects: ['ledger.entries'] },
    ...{ fingerprint: null, grant: own.batch.id, decision },
  });
  const session = '01900000-0000-7000-8000-00000000000c';
  const why = { code: 'POSTERN_GRANT_MISSING', reason: 'no grant' };
  await w.tell('session.refused', own.reports.principal, { ...refused, session, ...why });
  await looks(w, people.rita);
  await control.principals.update(actor, 'reports', { sponsor: 'Acme' }, 'theirs');
  await w.open();
  await w.decide(people.rita, await w.itemOf('batch', 'grant'), { kind: 'keep' });
  await control.grants.create(w.as(people.max), {
    ...{ principal: 'batch', resource: 'hr-db', scope: 'truncate on ledger.staging', ttlSeconds: 3600 },
    conditions: { maxRows: 1000 },
  });
  await control.masks.create(actor, { name: 'mail', classes: ['contact'] });
  const asked = { principal: 'batch', reason: 'cannot do better', approver: people.max.id, expiresAt: LATER };
  const { binding } = await control.staticSecrets.request(actor, asked);
  await control.staticSecrets.approve(people.max, binding.id);
  await control.alerts.begin();
  await control.alerts.take([
    {
      ...{ rule: 'first_object', parameters: {}, principal: await w.ref('batch'), resource: null },
      ...{ leaf: 1, time: Date.now() * 1000, leaves: [1], values: ['v'], count: 1 },
    },
  ]);
  await control.sinks.create(actor, { name: 'siem', target: { kind: 'file' }, secret: null, from: 0 });
  await w.principal('short-lived');
  await control.principals.retire(actor, 'short-lived', 'not needed');
  await w.tell('ledger.opened', own.batch.principal, { vkey: 'x' });
  const lost = [{ file: 'worker-0-1.journal', from: 0, to: 10, reason: 'torn', bytes: 10 }];
  await w.tell('ledger.recovered', own.batch.principal, { lost });
  await w.tell('evidence.exported', own.batch.principal, { params: { framework: 'ffiec' } });
}

/** A list, and a part of it. */
export const LISTS: readonly (readonly [query: string, has: string])[] = [
  ['account-changes', '"type":"principal.retired"'],
  ['alerts', '"rule":"first_object"'],
  ['bindings-by-kind', '"kind":"secret","bindings":1'],
  ['changes-of-enforcement', '"type":"mask.'],
  ['commands-refused', '"why":"POSTERN_CONDITION_DENIED","commands":1'],
  ['conditions-refused', 'ledger.entries'],
  ['event-types', '"type":"command.denied","records":1'],
  ['events-delivered', '"name":"siem"'],
  ['granted-and-used', '"commands":1,"refused":1'],
  ['grants-conditions', '{\\"maxRows\\":1000}'],
  ['key-changes', '"type":"ledger.opened"'],
  ['log-events', '"kind":"export"'],
  ['log-reviews-made', '"reviewer":"Rita"'],
  ['logging-failures', '"kind":"lost"'],
  ['masks-in-force', '"name":"mail"'],
  ['packages-taken', 'ffiec'],
  ['principals-inventory', '"name":"reports"'],
  ['privileged-commands', '"verbs":"[\\"truncate\\"]","decision":"allow","commands":1'],
  ['privileged-grant-changes', '"scope":"truncate on ledger.staging"'],
  ['privileged-grants', '"scope":"truncate on ledger.staging"'],
  ['resources-reconciled', '"name":"hr-db","reconciledAt":null'],
  ['resources-recorded', '"name":"ledger-db"'],
  ['review-decisions', '"decision":"keep"'],
  ['roles-of-people', '"person":"Max","role":"approver"'],
  ['sample-ended-principals', '"name":"short-lived"'],
  ['sample-grants', '"resource":"hr-db"'],
  ['sample-principals', '"name":"batch"'],
  ['sample-privileged-grants', '"scope":"truncate on ledger.staging"'],
  ['sessions-by-client', '"client":"psql"'],
  ['sessions-by-source', '"address":"10.1.1.7"'],
  ['sessions-refused', '"principal":"reports"'],
  ['static-secrets', '"approver":"Max"'],
  ['third-parties-listed', '"sponsor":"Acme"'],
];
