/** For tests: assertions about what was asked for and agreed to, authorities, what was found at resources, and rights. */
import type { ReconcileWorld } from '../../../access/reconcile/reconciliations.ts';
import { makeAuthority } from '../../../core/certificates.fixture.ts';
import type { OwnTraces, UpstreamFacts } from '../../../core/upstream-facts.ts';
import type { Case, World } from '../cases.fixture.ts';

const POLICY = `apiVersion: postern/v1
kind: AccessPolicy
metadata: { name: main }
spec:
  rules:
    - name: one
      what: { resources: [ledger-db], scope: 'select on ledger.*', longest: 2h }
      approve:
        - from: ['role:approver']
`;
const FORTY_DAYS_MS = 40 * 86_400_000;

/** Somebody asks for `batch`, and Max agrees; answers the id of the request. */
async function askedFor(w: World): Promise<string> {
  await w.control.policies.put(w.actor, 'main', POLICY, 'begin');
  const asked = { principal: 'batch', resource: 'ledger-db', scope: 'select on ledger.entries' };
  const { id } = await w.control.requests.create(w.actor, { ...asked, ttlSeconds: 3600 });
  await w.control.requests.approve(w.as(w.people.max), id, 'fine');
  return id;
}

/** `batch` proves itself by a certificate of an authority that is trusted; answers the id of the authority. */
async function certified(w: World): Promise<string> {
  const { pem } = await makeAuthority({ name: 'CN=Root' });
  const { id } = await w.control.trusts.add(w.actor, { kind: 'x509', name: 'bank', keys: pem });
  const by = { trust: 'bank', by: 'dns', value: 'batch.example' } as const;
  await w.control.possession.bind(w.actor, 'batch', { kind: 'certificate', ...by }, 'why');
  const one = { by: 'public_key', value: 'a'.repeat(64) } as const;
  await w.control.possession.bind(w.actor, 'reports', { kind: 'certificate', ...one }, 'why');
  return id;
}

/** What is found at `ledger-db` where it has these accounts beside that of Postern. */
function finds(w: World, ...names: readonly string[]) {
  const accounts = ['ledger_app', ...names].map((name, n) => ({
    ...{ name, oid: String(16_384 + n), login: true, superuser: false, createRole: false, createDb: false },
    ...{
      replication: false,
      bypassRls: false,
      password: 'scram',
      validUntil: null,
      memberOf: [],
      mark: null,
    },
  })) as UpstreamFacts['accounts'];
  const facts: UpstreamFacts = {
    ...{ at: '2026-01-01T00:00:00.000000Z', version: '18.0', user: 'ledger_app', accounts, connections: [] },
    statements: { calls: [], resetAt: null, evicted: 0, nested: false },
    ...{ statementsWhy: null, seesConnections: true, pooled: false, cut: false },
  };
  const traces: readonly OwnTraces[] = [{ boot: 'one', pids: [], roles: [], asked: { admin: 0, others: 0 } }];
  const bank: ReconcileWorld = {
    survey: async () => ({ survey: { outcome: 'seen', facts }, before: traces, after: traces }),
    recorded: async () => ({ statements: 0, unresolved: 0 }),
  };
  return w.control.reconciliations.run(w.actor, 'ledger-db', bank);
}

/** A grant that was given 40 days ago. */
function old(w: World, of: 'batch' | 'reports'): void {
  const start = `${new Date(Date.now() - FORTY_DAYS_MS).toISOString().slice(0, -1)}000Z`;
  w.amend('grant', w.own[of].id, 'grant.narrowed', { start });
}

export const UPSTREAM_CASES: readonly Case[] = [
  {
    query: 'grants-not-self-approved',
    good: askedFor,
    // Postern refuses it; a log in which it happened all the same shows it.
    bad: async (w) => {
      const { id, name } = w.people.max;
      const [request] = await w.control.requests.list({});
      w.amend('request', request?.id ?? '', 'grant.requested', { requester: { kind: 'person', id, name } });
    },
    names: '"requester":"Max"',
  },
  {
    query: 'certificate-bindings-anchored',
    good: certified,
    // Postern ends the bindings with the authority.
    bad: async (w) => {
      const [trust] = await w.control.trusts.list();
      w.amend('trust', trust?.id ?? '', 'trust.removed', { status: 'removed' });
    },
    names: '"principal":"batch"',
  },
  {
    query: 'unmanaged-disposed',
    good: async (w) => {
      await finds(w, 'dba');
      const [found] = await w.control.reconciliations.unmanaged({ status: 'open' });
      const until = new Date(Date.now() + 3_600_000).toISOString();
      await w.control.reconciliations.dispose(w.actor, found?.id ?? '', {
        ...{ kind: 'accepted', reason: 'theirs', until },
      });
    },
    bad: (w) => finds(w, 'dba', 'stranger'),
    names: '"status":"open"',
  },
  {
    query: 'rights-unused',
    parameters: { 'unused-privilege-days': 30 },
    good: async (w) => {
      old(w, 'batch');
      const session = await w.session(w.own.batch);
      for (const verbs of [['select'], ['insert']]) await w.run(w.own.batch, session, { verbs });
    },
    bad: async (w) => {
      old(w, 'reports');
      await w.run(w.own.reports, await w.session(w.own.reports), { verbs: ['select'] });
    },
    names: '"principal":"reports","resource":"hr-db","verb":"insert"',
  },
];
