/** For tests: Assertions about sessions, commands and credentials. */
import type { Case, World } from '../cases.fixture.ts';

const nothing = async (): Promise<void> => undefined;
const GONE = '01900000-0000-7000-8000-000000000000';

/** A session of `batch` with a command. */
async function works(w: World, more: object = {}): Promise<string> {
  const session = await w.session(w.own.batch);
  await w.run(w.own.batch, session, more);
  return session;
}

/** Another session with a command, of which the record says something else. */
async function forged(w: World, more: object): Promise<void> {
  const session = await w.session(w.own.batch);
  await w.run(w.own.batch, session, more);
}

export const ACTIVITY_CASES: readonly Case[] = [
  {
    query: 'commands-under-grant',
    good: works,
    bad: (w) => forged(w, { grant: GONE }),
    names: GONE,
  },
  {
    query: 'commands-after-approval',
    good: works,
    bad: async (w) => {
      const start = new Date(Date.now() + 3_600_000).toISOString();
      w.amend('grant', w.own.batch.id, 'grant.narrowed', { start });
    },
    names: '"principal":"batch"',
  },
  {
    query: 'commands-within-grant',
    good: works,
    bad: async (w) => {
      const end = new Date(Date.now() - 3_600_000).toISOString();
      w.amend('grant', w.own.batch.id, 'grant.narrowed', { end });
    },
    names: '"principal":"batch"',
  },
  {
    query: 'no-command-after-revocation',
    parameters: { 'revocation-seconds': 1 },
    good: async (w) => {
      await works(w);
      await w.control.grants.revoke(w.actor, w.own.batch.id, 'over');
    },
    bad: async (w) => {
      const endedAt = new Date(Date.now() - 10_000).toISOString();
      w.amend('grant', w.own.batch.id, 'grant.revoked', { endedAt });
    },
    names: '"principal":"batch"',
  },
  {
    query: 'no-command-after-disabling',
    parameters: { 'high-risk-disable-seconds': 0 },
    good: async (w) => {
      await works(w);
      await w.control.principals.suspend(w.actor, 'batch', 'looks wrong');
    },
    bad: async (w) => {
      const session = '01900000-0000-7000-8000-000000000001';
      await w.run(w.own.batch, session);
    },
    names: '"type":"principal.suspended"',
  },
  {
    query: 'commands-name-principal',
    good: works,
    bad: (w) => w.run(w.own.batch, GONE),
    names: GONE,
  },
  {
    query: 'commands-name-what',
    good: works,
    bad: (w) => forged(w, { verbs: [], decision: { effect: 'allow', rule: '' } }),
    names: '"verbs":"[]"',
  },
  {
    query: 'commands-name-where',
    good: works,
    bad: (w) => forged(w, { resource: null }),
    names: '"principal":"batch"',
  },
  {
    query: 'commands-have-time',
    good: works,
    bad: (w) => forged(w, { time: '2026-11-22T10:00:00+02:00' }),
    names: '+02:00',
  },
  {
    query: 'commands-have-outcome',
    good: async (w) => w.close(w.own.batch, await works(w)),
    bad: async (w) => {
      const session = await w.session(w.own.batch);
      await w.tell('command.intent', w.own.batch.principal, {
        ...{ session, resource: w.own.batch.resource, protocol: 'postgres', fingerprint: null },
        ...{
          verbs: ['insert'],
          objects: [],
          grant: w.own.batch.id,
          decision: { effect: 'allow', rule: 'x' },
        },
      });
      await w.close(w.own.batch, session);
    },
    names: '"unanswered":1',
  },
  {
    query: 'privileged-commands-recorded',
    parameters: { 'privileged-verbs': ['drop'] },
    good: async (w) => w.close(w.own.batch, await works(w, { verbs: ['drop'] })),
    bad: async (w) => {
      const session = await w.session(w.own.batch);
      await w.tell('command.intent', w.own.batch.principal, {
        ...{ session, resource: w.own.batch.resource, protocol: 'postgres', fingerprint: null },
        ...{ verbs: ['drop'], objects: [], grant: w.own.batch.id, decision: { effect: 'allow', rule: 'x' } },
      });
      await w.close(w.own.batch, session);
    },
    names: '"unanswered":1',
  },
  {
    query: 'privileged-commands-granted',
    parameters: { 'privileged-verbs': ['insert', 'drop'] },
    good: (w) => works(w, { verbs: ['insert'] }),
    bad: (w) => forged(w, { verbs: ['drop'] }),
    names: '[\\"drop\\"]',
  },
  {
    query: 'sessions-end-with-grant',
    parameters: { 'revocation-seconds': 5 },
    good: async (w) => {
      const session = await works(w);
      await w.control.grants.revoke(w.actor, w.own.batch.id, 'over');
      await w.close(w.own.batch, session);
    },
    bad: (w) => w.session(w.own.reports),
    // Its grant has long ended by then, and nothing says that the session has.
    badDays: 100,
    names: '"principal":"reports"',
  },
  {
    query: 'sessions-not-too-long',
    parameters: { 'session-longest-hours': 24 },
    good: works,
    bad: nothing,
    badDays: 2,
    names: '"principal":"batch"',
  },
  {
    query: 'sessions-not-idle',
    parameters: { 'inactivity-logout-seconds': 600 },
    good: works,
    bad: nothing,
    badDays: 1,
    names: '"principal":"batch"',
  },
  {
    query: 'sessions-encrypted',
    good: works,
    bad: (w) => w.session(w.own.reports, { tls: { client: null, upstream: 'TLSv1.3' } }),
    names: '"principal":"reports"',
  },
  {
    query: 'sessions-upstream-encrypted',
    good: works,
    bad: (w) => w.session(w.own.reports, { tls: { client: 'TLSv1.3', upstream: null } }),
    names: '"principal":"reports"',
  },
  {
    query: 'sessions-name-source',
    good: works,
    bad: (w) => w.session(w.own.reports, { source: '' }),
    names: '"principal":"reports"',
  },
  {
    query: 'sessions-proved',
    good: works,
    bad: (w) => w.session(w.own.reports, { credential: GONE }),
    names: GONE,
  },
  {
    query: 'credentials-short-lived',
    parameters: { 'credential-longest-hours': 1 },
    good: works,
    bad: (w) => w.control.credentials.issue(w.actor, { principal: 'batch', ttlSeconds: 7200 }),
    names: '"principal":"batch"',
  },
  {
    query: 'static-secrets-excepted',
    parameters: { 'static-secret-longest-days': 10 },
    good: (w) => agreed(w, 5),
    bad: (w) => agreed(w, 11),
    names: '"reason":"cannot do better"',
  },
  {
    query: 'upstream-secrets-changed',
    parameters: { 'upstream-secret-longest-days': 30 },
    good: nothing,
    bad: nothing,
    badDays: 31,
    names: '"name":"ledger-db"',
  },
  {
    query: 'alerts-disposed',
    parameters: { 'alert-disposition-hours': 24 },
    days: 2,
    good: async (w) => {
      const id = await alerted(w, 1);
      await w.control.alerts.dispose(w.actor, id, { kind: 'explained', reason: 'a new job' });
    },
    bad: (w) => alerted(w, 2),
    names: '"status":"open"',
  },
  {
    query: 'activity-reviewed',
    parameters: { 'log-review-days': 30 },
    days: 31,
    good: async (w) => {
      await works(w);
      await w.control.logReviews.create(w.as(w.people.rita), {
        ...{ principals: ['batch'], from: 0, to: w.sink.written.length - 1, finding: 'nothing unusual' },
        log: { size: w.sink.written.length, root: 'x' },
        answered: async () => false,
      });
    },
    bad: works,
    names: '"principal":"batch"',
  },
];

/** An alert of `batch`; answers its id. */
async function alerted(w: World, leaf: number): Promise<string> {
  await w.control.alerts.begin();
  const found = { leaf, time: Date.now() * 1000, leaves: [leaf], values: [`v${leaf}`], count: 1 };
  const about = {
    rule: 'first_object',
    parameters: {},
    principal: await w.ref('batch'),
    resource: null,
  } as const;
  await w.control.alerts.take([{ ...found, ...about }]);
  const [alert] = await w.control.alerts.list({ status: 'open' });
  return alert?.id ?? '';
}

async function agreed(w: World, days: number): Promise<void> {
  const expiresAt = new Date(Date.now() + days * 86_400_000).toISOString();
  const asked = { principal: 'batch', reason: 'cannot do better', approver: w.people.max.id, expiresAt };
  const { binding } = await w.control.staticSecrets.request(w.actor, asked);
  await w.control.staticSecrets.approve(w.people.max, binding.id);
}
