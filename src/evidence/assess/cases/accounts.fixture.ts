/** For tests: Assertions about principals, their owners, grants and reviews, each made to pass and to fail by what people do. */
import { generateKeyPairSync } from 'node:crypto';
import type { Case, World } from '../cases.fixture.ts';

const DAY = 86_400;
const KEY = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
const nothing = async (): Promise<void> => undefined;

/** A review in which somebody decides on `batch` as such. */
async function reviewed(w: World, decision: object): Promise<void> {
  await w.open();
  await w.decide(w.people.rita, await w.itemOf('batch', 'principal'), decision as never);
}

async function suspended(w: World): Promise<void> {
  await w.control.principals.suspend(w.actor, 'reports', 'why');
}

export const ACCOUNT_CASES: readonly Case[] = [
  {
    query: 'principals-have-active-owner',
    good: nothing,
    bad: (w) => w.control.persons.disable(w.actor, w.people.olga.id, 'left'),
    names: '"owner":"Olga"',
  },
  {
    query: 'principals-have-backup-owner',
    good: nothing,
    bad: (w) => w.control.persons.disable(w.actor, w.people.dora.id, 'left'),
    names: '"backupOwner":"Dora"',
  },
  {
    query: 'principals-of-allowed-kinds',
    parameters: { 'allowed-principal-kinds': ['service_account'] },
    good: nothing,
    bad: (w) =>
      w.control.principals.create(w.actor, {
        ...{ name: 'runner', kind: 'ci_runner', owner: w.people.olga.id, backupOwner: w.people.dora.id },
        ...{ purpose: 'x', environment: 'test' },
      }),
    names: '"kind":"ci_runner"',
  },
  {
    query: 'principals-described',
    good: nothing,
    bad: async (w) => w.amend('principal', (await w.ref('batch')).id, 'principal.updated', { purpose: ' ' }),
    names: '"name":"batch"',
  },
  {
    query: 'principals-inactive',
    parameters: { 'inactive-days': 90 },
    days: 89,
    good: nothing,
    bad: nothing,
    badDays: 91,
    names: '"name":"reports"',
  },
  {
    query: 'principals-orphaned',
    parameters: { 'disable-within-hours': 24 },
    good: (w) => w.control.persons.disable(w.actor, w.people.olga.id, 'left'),
    bad: nothing,
    badDays: 2,
    names: '"owner":"Olga"',
  },
  {
    query: 'principals-expired',
    parameters: { 'disable-within-hours': 24 },
    days: 1,
    good: (w) => {
      const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
      return w.control.principals.update(w.actor, 'reports', { expiresAt }, 'ends');
    },
    bad: nothing,
    badDays: 3,
    names: '"name":"reports"',
  },
  {
    query: 'principals-revoked-in-review',
    parameters: { 'disable-within-hours': 24 },
    good: (w) => reviewed(w, { kind: 'revoke' }),
    bad: async (w) =>
      w.amend('principal', (await w.ref('batch')).id, 'principal.resumed', { status: 'active' }),
    badDays: 2,
    names: '"decidedBy":"Rita"',
  },
  {
    query: 'principals-reviewed',
    parameters: { 'review-interval-days': 90 },
    days: 91,
    good: async (w) => {
      await suspended(w);
      // Not on the day on which they were made.
      w.turn(30 * DAY);
      await reviewed(w, { kind: 'keep' });
    },
    bad: (w) => w.control.principals.resume(w.actor, 'reports', 'back'),
    names: '"name":"reports"',
  },
  {
    query: 'principal-names-unique',
    good: nothing,
    bad: async (w) =>
      w.amend('principal', (await w.ref('batch')).id, 'principal.updated', { name: 'Reports' }),
    names: '"name":"reports"',
  },
  {
    query: 'principal-names-not-reused',
    parameters: { 'identifier-reuse-days': 30 },
    good: nothing,
    bad: async (w) =>
      w.amend('principal', (await w.ref('reports')).id, 'principal.updated', { name: 'batch' }),
    names: '"name":"batch"',
  },
  {
    query: 'principals-created-by-people',
    good: nothing,
    bad: async (w) => {
      const { id } = await w.ref('batch');
      const after = { id, name: 'shadow', status: 'active' };
      const change = { entity: 'principal', id, before: null, after };
      await w.tell('principal.created', { id, name: 'batch' }, { change });
    },
    names: '"name":"shadow"',
  },
  ...(['disabled', 'enabled', 'modified', 'removed'] as const).map((what): Case => {
    const acts = {
      disabled: (w: World) => w.control.principals.suspend(w.actor, 'batch', 'why'),
      enabled: async (w: World) => {
        await w.control.principals.suspend(w.actor, 'batch', 'why');
        await w.control.principals.resume(w.actor, 'batch', 'why');
      },
      modified: (w: World) => w.control.principals.update(w.actor, 'batch', { purpose: 'y' }, 'why'),
      removed: (w: World) => w.control.principals.retire(w.actor, 'batch', 'why'),
    };
    const types = {
      disabled: 'suspended',
      enabled: 'resumed',
      modified: 'updated',
      removed: 'retired',
    } as const;
    return {
      query: `principals-${what}-recorded`,
      good: acts[what],
      bad: async (w) => {
        const { id } = await w.ref('reports');
        w.amend('principal', id, `principal.${types[what]}`, { status: 'unheard-of' });
      },
      names: '"principal":"reports"',
    };
  }),
  {
    query: 'owner-changes-told',
    parameters: { 'notify-hours': 1 },
    good: async (w) => {
      await w.control.persons.disable(w.actor, w.people.olga.id, 'left');
      await w.control.lifecycle.sweep();
    },
    bad: async (w) => {
      const kept = { owner: w.people.dora.id, backupOwner: w.people.alan.id };
      for (const name of ['batch', 'reports']) await w.control.principals.update(w.actor, name, kept, 'y');
      await w.control.persons.disable(w.actor, w.people.dora.id, 'left as well');
    },
    names: '"name":"batch"',
  },
  {
    query: 'grants-have-authority',
    good: nothing,
    bad: async (w) =>
      w.amend('grant', w.own.batch.id, 'grant.narrowed', { authority: { kind: 'approval', approvers: [] } }),
    names: '"principal":"batch"',
  },
  {
    query: 'emergency-grants-end',
    parameters: { 'emergency-grant-hours': 24 * 80 },
    good: async (w) => {
      const { id, authority } = w.own.batch;
      w.amend('grant', id, 'grant.narrowed', { authority: { ...authority, kind: 'emergency' } });
    },
    bad: async (w) =>
      w.amend('grant', w.own.batch.id, 'grant.narrowed', { end: '2080-01-01T00:00:00.000000Z' }),
    names: '"ended":"2080-01-01',
  },
  {
    query: 'principals-created-recorded',
    good: nothing,
    bad: async (w) => w.amend('principal', (await w.ref('batch')).id, 'principal.created', {}),
    names: '"principal":"batch"',
  },
  {
    query: 'grants-justified',
    good: async (w) => {
      for (const { id, authority } of Object.values(w.own))
        w.amend('grant', id, 'grant.narrowed', { authority: { ...authority, ticket: 'CHG-1' } });
    },
    bad: (w) => w.grant('reports'),
    names: '"principal":"reports"',
  },
  {
    query: 'grants-fit-environment',
    good: beforeThat,
    bad: (w) => w.grant('reports'),
    names: '"environment":"test"',
  },
  {
    query: 'grants-not-too-long',
    parameters: { 'grant-longest-hours': 24 * 80 },
    good: nothing,
    bad: async (w) =>
      w.amend('grant', w.own.batch.id, 'grant.narrowed', { end: '2080-01-01T00:00:00.000000Z' }),
    names: '"end":"2080-01-01',
  },
  {
    query: 'grants-unused',
    parameters: { 'unused-privilege-days': 30 },
    days: 31,
    good: async (w) => {
      // A session that is still open uses its grant.
      await w.session(w.own.batch);
      await w.control.grants.revoke(w.actor, w.own.reports.id, 'not needed');
    },
    bad: (w) => w.grant('batch'),
    names: '"principal":"batch"',
  },
  {
    query: 'bindings-not-shared',
    good: (w) => bound(w, 'batch', 'main'),
    bad: async (w) => {
      const { id, claims } = (await bound(w, 'batch', 'other')) as { id: string; claims: object };
      const change = { principal: await w.ref('reports'), claims: { ...claims, ref: 'refs/heads/main' } };
      w.amend('binding', id, 'binding.rotated', change);
    },
    names: '"principal":"reports"',
  },
  {
    query: 'review-decisions-applied',
    good: (w) => reviewed(w, { kind: 'revoke' }),
    bad: async (w) => {
      const item = await w.itemOf('batch', 'principal');
      w.amend('review_item', item.id, 'review.decided', { effect: { what: 'nothing', applied: false } });
    },
    names: '"effect":"nothing"',
  },
  {
    query: 'reviews-on-time',
    days: 15,
    good: async (w) => {
      await w.control.principals.disable(w.actor, 'reports', 'why');
      await w.open();
      for (const item of await w.items()) await w.decide(w.people.rita, item, { kind: 'keep' });
    },
    bad: (w) => w.open({ name: 'winter', dueSeconds: DAY }),
    names: '"review":"winter"',
  },
  {
    query: 'reviews-independent',
    good: (w) => reviewed(w, { kind: 'keep' }),
    bad: async (w) => {
      const item = await w.itemOf('batch', 'principal');
      const { decision } = item;
      w.amend('review_item', item.id, 'review.decided', { decision: { ...decision, by: w.people.olga } });
    },
    names: '"decidedBy":"Olga"',
  },
  {
    query: 'privileged-grants-listed',
    parameters: { 'privileged-verbs': ['insert'], 'privileged-principals': ['batch'] },
    good: beforeThat,
    bad: (w) => w.grant('reports'),
    names: '"principal":"reports"',
  },
  {
    query: 'privileged-grants-reviewed',
    parameters: { 'privileged-verbs': ['insert'], 'privileged-review-days': 30 },
    days: 31,
    good: async (w) => {
      await w.control.grants.revoke(w.actor, w.own.reports.id, 'not needed');
      w.turn(2 * DAY);
      await w.open();
      const item = await w.itemOf('batch', 'grant');
      await w.decide(w.people.rita, item, { kind: 'keep' });
    },
    bad: (w) => w.grant('reports'),
    names: '"principal":"reports"',
  },
];

function bound(w: World, principal: string, branch: string): Promise<unknown> {
  return w.control.bindings.create(w.actor, {
    ...{ principal, kind: 'oidc', issuer: 'https://ci.example.org', audience: 'postern' },
    keys: { jwks: JSON.stringify({ keys: [{ ...KEY, kid: 'k', alg: 'ES256', use: 'sig' }] }) },
    claims: { repository_id: '42', ref: `refs/heads/${branch}` },
  });
}

/** The grant of `reports` becomes one that was over before the period. */
async function beforeThat(w: World): Promise<void> {
  const was = { start: '2010-01-01T00:00:00.000000Z', endedAt: '2011-01-01T00:00:00.000000Z' };
  w.amend('grant', w.own.reports.id, 'grant.revoked', { status: 'revoked', ...was });
}
