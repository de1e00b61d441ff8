import 'reflect-metadata';
import assert from 'node:assert/strict';
import { generateKeyPairSync, webcrypto } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import * as x509 from '@peculiar/x509';
import fc from 'fast-check';
import { bundleOf, makeAuthority } from '../core/certificates.fixture.ts';
import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import { signJws } from '../core/sign-jws.ts';
import { rfc3339 } from '../core/time.ts';
import type { AccountSeen, Survey } from '../core/upstream-facts.ts';
import { makeKeyClient } from '../identity/own-key.fixture.ts';
import { personActor } from '../identity/persons.ts';
import { type Shown, TOKEN_TYPES } from '../identity/proof.ts';
import { recover } from '../store/changes.ts';
import { MemorySink } from '../store/memory-sink.fixture.ts';
import { Store } from '../store/store.ts';
import { RESOURCE } from './control.fixture.ts';
import { Control } from './control.ts';

const TABLES = [
  'persons',
  'principals',
  'resources',
  'grants',
  'credentials',
  'bindings',
  'delegations',
  'trust',
  'masks',
  'legal_holds',
  'retention',
  'framework_parameters',
  'authenticators',
  'identity_providers',
  'directories',
  'groups',
  'sign_in',
  'lifecycle',
  'notices',
  'declarations',
  'policies',
  'requests',
  'reviews',
  'review_items',
  'review_schedules',
  'evidence_schedules',
  'log_reviews',
  'channels',
  'links',
  'alerts',
  'alert_rules',
  'reconciliations',
  'unmanaged',
  'sinks',
] as const;

/** All rows of the tables that the log speaks for. */
async function dump(store: Store): Promise<object> {
  const out: Record<string, unknown> = {};
  for (const table of TABLES) {
    out[table] = await store.db.selectFrom(table).selectAll().orderBy('id').execute();
  }
  return out;
}

/** One step of a random history; `n` picks what it is done to. */
const STEPS = [
  'person',
  'disablePerson',
  'enablePerson',
  'updatePerson',
  'signIn',
  'provider',
  'removeProvider',
  'login',
  'removeAuthenticator',
  'invitePerson',
  'directory',
  'removeDirectory',
  'joiner',
  'leaver',
  'group',
  'removeGroup',
  'principal',
  'rehome',
  'describe',
  'suspend',
  'resume',
  'disable',
  'retire',
  'resource',
  'ownResource',
  'retireResource',
  'setAdmin',
  'setPassword',
  'setRotation',
  'rotate',
  'rotateAdmin',
  'grant',
  'revokeGrant',
  'credential',
  'certificate',
  'revokeCredential',
  'exchange',
  'delegate',
  'exchangeWord',
  'revokeWord',
  'bind',
  'unbind',
  'trust',
  'changeTrust',
  'untrust',
  'bindSpiffe',
  'bindCertificate',
  'bindPlatform',
  'secret',
  'approveSecret',
  'invite',
  'join',
  'mask',
  'changeMask',
  'retireMask',
  'hold',
  'releaseHold',
  'retention',
  'parameters',
  'evidenceSchedule',
  'endEvidenceSchedule',
  'lifecycle',
  'sweep',
  'declare',
  'release',
  'policy',
  'retirePolicy',
  'request',
  'approve',
  'denyRequest',
  'withdraw',
  'reconcile',
  'disposeUnmanaged',
  'openReview',
  'decideReview',
  'delegateReview',
  'sweepReviews',
  'closeReview',
  'scheduleReviews',
  'reviewLog',
  'endSchedule',
  'channel',
  'changeChannel',
  'retireChannel',
  'hook',
  'removeLink',
  'beginAlerts',
  'findAnomaly',
  'acknowledgeAlert',
  'closeAlert',
  'setAlertRule',
  'sink',
  'updateSink',
  'pauseSink',
  'resumeSink',
  'retireSink',
  'token',
  'diskFull',
  'diskFine',
] as const;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const CSR = (
  await x509.Pkcs10CertificateRequestGenerator.create({
    keys: await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']),
    signingAlgorithm: ALGORITHM,
  })
).toString('pem');

const CAS = [await makeAuthority(), await makeAuthority()] as const;
const trustOf = (n: number, which: 0 | 1) =>
  n % 2 === 0
    ? ({ kind: 'x509', name: 'bank', keys: CAS[which].pem } as const)
    : ({ kind: 'spiffe', name: 'bank.example', keys: JSON.stringify(bundleOf([CAS[which]])) } as const);

const ACCOUNT: AccountSeen = {
  ...{ name: 'x', oid: '1', login: true, superuser: false, createRole: false, createDb: false, mark: null },
  ...{ replication: false, bypassRls: false, password: null, validUntil: null, memberOf: [] },
};
const RULES = [
  'approve: at once, emergency: { reviewWithin: 1d } }, { name: s, approve: at once',
  'approve: [{ from: [owner] }]',
  "approve: [{ from: ['role:owner', backup-owner] }]",
  'deny: no',
];
const POLICIES = RULES.map(
  (rule) => (name: string) =>
    `{ apiVersion: postern/v1, kind: AccessPolicy, metadata: { name: ${name} }, spec: { directGrants: true, rules: [{ name: r, ${rule} }] } }`,
);
const SURVEYS = [[], [{ name: 'dba', superuser: true }]].map(
  (accounts): Survey => ({
    outcome: 'seen',
    facts: {
      ...{ at: '2026-01-01T00:00:00.000000Z', version: '18', user: 'x', connections: [], statements: null },
      accounts: accounts.map((account) => ({ ...ACCOUNT, ...account })),
      ...{ statementsWhy: null, seesConnections: true, pooled: false, cut: false },
    },
  }),
);
let invited = '';

const step = fc.record({ op: fc.constantFrom(...STEPS), n: fc.nat(3) });

const ISSUER_KEY = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const JWKS = { keys: [ISSUER_KEY.publicKey.export({ format: 'jwk' })] };
/** Words that were given in this history, by whom they let act. */
const words = new Map<string, string>();

/** A token that fits what `bind` binds. */
function tokenOf(name: string, n: number): Shown {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: `https://issuer-${n % 2}.example`, aud: 'postern', sub: name, ref: 'main' };
  const token = signJws({}, { ...claims, iat: now, exp: now + 600, jti: uuidv7() }, ISSUER_KEY.privateKey);
  return { type: TOKEN_TYPES.jwt, token, source: '192.0.2.1' };
}

const asked = (name: string, n: number) => ({
  name: null,
  form: n === 0 ? ({ kind: 'jwt', confirmation: { jkt: 'x' } } as const) : ({ kind: 'password' } as const),
  ...(n === 2 && { resource: name }),
});

async function play(
  control: Control,
  sink: MemorySink,
  op: (typeof STEPS)[number],
  n: number,
): Promise<void> {
  const admin = (await control.persons.list({ limit: 1 }))[0];
  assert.ok(admin);
  const actor = personActor(admin);
  const email = `p${n}@example.org`;
  const name = `name-${n}`;
  const grants = await control.grants.list({});
  const credentials = await control.credentials.list({}, { limit: 100 });
  const bindings = (
    await Promise.all((await control.principals.list({})).map(({ id }) => control.bindings.list(id)))
  ).flat();
  const holds = await control.holds.list({});
  const masks = await control.masks.list({});
  const requests = await control.requests.list({ status: 'pending' });
  const others = await control.persons.list({ limit: 10 });
  const one = <T>(all: readonly T[]): T => {
    const found = all[n % all.length];
    if (found === undefined) throw new PosternError('POSTERN_NOT_FOUND', 'none');
    return found;
  };
  const some = <T extends { id: string }>(all: readonly T[]): string => all[n % all.length]?.id ?? 'none';
  const steps: Record<(typeof STEPS)[number], () => Promise<unknown> | undefined> = {
    person: () => control.persons.create(actor, { name: `P ${n}`, email, roles: ['owner', 'auditor'] }),
    disablePerson: () => control.persons.disable(actor, email, 'left'),
    enablePerson: () => control.persons.enable(actor, email, 'back'),
    updatePerson: () =>
      control.persons.update(
        actor,
        email,
        n === 0 ? { name: `Q ${n}` } : { roles: ['owner', 'reviewer'] },
        'why',
      ),
    provider: () =>
      control.doors.providers.create(actor, {
        ...{ name, issuer: `https://${name}.example`, clientId: 'postern', clientSecret: 'secret' },
        ...{
          domains: ['example.org'],
          creates: n > 1,
          groups: { claim: 'groups', roles: { Reviewers: ['reviewer'] } },
        },
      }),
    removeProvider: () => control.doors.providers.remove(actor, name, 'why'),
    login: async () => {
      const provider = await control.doors.providers.get(name);
      const groups = n % 2 === 0 ? ['Reviewers'] : [];
      const claims = { subject: `s${n}`, email, name: 'Q', groups, authenticatedAt: null };
      await control.doors.logins.byClaims(provider, { issuer: provider.issuer, ...claims }, null);
    },
    removeAuthenticator: async () => {
      const own = await control.doors.authenticators.list((await control.persons.get(email)).id);
      await control.doors.authenticators.remove(actor, some(own), 'why', null);
    },
    invitePerson: () => control.doors.invitations.issue(actor, email),
    directory: () =>
      control.doors.directories.create(actor, {
        name,
        groups: { Reviewers: ['reviewer'], Owners: ['owner'] },
      }),
    removeDirectory: () => control.doors.directories.remove(actor, name, 'why'),
    joiner: async () => {
      const user = { userName: email, externalId: null, name: `J ${n}`, email, active: n !== 2 };
      await control.doors.directoryPeople.add(one(await control.doors.directories.list()), user);
    },
    leaver: async () => {
      const of = one(await control.doors.directories.list());
      await control.doors.directoryPeople.remove(of, some(await control.doors.directoryPeople.list(of)));
    },
    group: async () => {
      const of = one(await control.doors.directories.list());
      const people = (await control.doors.directoryPeople.list(of)).map(({ id }) => id);
      const input = {
        name: n % 2 === 0 ? 'Reviewers' : 'Owners',
        externalId: null,
        members: people.slice(n % 2),
      };
      await control.doors.directoryPeople.addGroup(of, input);
    },
    removeGroup: async () => {
      const of = one(await control.doors.directories.list());
      await control.doors.directoryPeople.removeGroup(
        of,
        some(await control.doors.directoryPeople.groups(of)),
      );
    },
    signIn: () => control.signIn.set(actor, { freshSeconds: 60 + n, cli: { idleSeconds: 600 + n } }, 'why'),
    principal: () =>
      control.principals.create(actor, {
        name,
        kind: 'workload',
        owner: 'ada@example.org',
        backupOwner: n < 2 ? 'bea@example.org' : email,
        ...(n === 1 && { tags: { team: 'ledger' }, sponsor: 'Vendor Inc.' }),
        purpose: 'x',
        environment: 'test',
      }),
    rehome: () => control.principals.update(actor, name, { owner: email, backupOwner: admin.id }, 'moved'),
    describe: () =>
      control.principals.update(
        actor,
        name,
        {
          purpose: `purpose ${n}`,
          tags: n < 2 ? { team: 'ledger', cost: '7' } : { team: null },
          sponsor: n === 3 ? null : `sponsor ${n}`,
          expiresAt: n === 2 ? null : '2099-01-01T00:00:00Z',
        },
        'why',
      ),
    suspend: () => control.principals.suspend(actor, name, 'why'),
    resume: () => control.principals.resume(actor, name, 'why'),
    disable: () => control.principals.disable(actor, name, 'why'),
    retire: () => control.principals.retire(actor, name, 'why'),
    resource: () => control.resources.create(actor, { ...RESOURCE, name }),
    setAdmin: () =>
      control.resources.setAdmin(actor, name, n === 3 ? null : { user: 'adm', password: `p${n}` }, 'why'),
    setPassword: () => control.resources.setPassword(actor, name, 'upstream', { password: 'other' }, 'why'),
    setRotation: () => control.resources.setRotation(actor, name, n === 0 ? null : n * 86_400, 'why'),
    rotate: () => control.rotation.rotate(actor, name, 'upstream', 'why'),
    rotateAdmin: () => control.rotation.rotate(actor, name, 'admin', 'why'),
    ownResource: () =>
      control.resources.update(actor, name, { owner: n % 2 === 0 ? 'ada@example.org' : null }, 'why'),
    retireResource: () => control.resources.retire(actor, name, 'why'),
    grant: () =>
      control.grants.create(actor, {
        principal: name,
        resource: name,
        scope: 'select on a.*',
        ttlSeconds: 60,
      }),
    revokeGrant: () => control.grants.revoke(actor, some(grants), 'why'),
    credential: () => {
      const own = grants.find((grant) => grant.principal.name === name);
      return control.credentials.issue(actor, { principal: name, ...(own && { grant: own.id }) });
    },
    certificate: () => control.credentials.issueCertificate(actor, { principal: name, csr: CSR }),
    bind: () =>
      control.bindings.create(actor, {
        principal: name,
        kind: 'oidc',
        issuer: `https://issuer-${n % 2}.example`,
        audience: 'postern',
        claims: { sub: name, ...(n === 1 && { ref: 'main' }) },
      }),
    trust: () => control.trusts.add(actor, trustOf(n, 0)),
    changeTrust: () => {
      const { kind, name: of, keys } = trustOf(n, 1);
      return control.trusts.update(actor, kind, of, { keys }, 'why');
    },
    untrust: () => control.trusts.remove(actor, trustOf(n, 0).kind, trustOf(n, 0).name, 'why'),
    bindSpiffe: () => {
      const spiffeId = `spiffe://bank.example/job-${n % 2}`;
      const audience = n > 1 ? 'postern' : undefined;
      return control.possession.bind(actor, name, { kind: 'spiffe', spiffeId, audience }, undefined);
    },
    bindPlatform: () => {
      const ids = { repository_id: '74', repository_owner_id: '65', environment: name };
      const issuer = 'https://token.actions.githubusercontent.com';
      const github = { kind: 'oidc', preset: 'github', issuer, audience: 'postern', claims: ids } as const;
      if (n === 0) return control.bindings.create(actor, { principal: name, ...github });
      const uid = `0b8c1d1e-6a52-4a5c-9f0e-6f4f0d1c2b3${n}`;
      const pod = { cluster: 'prod', namespace: 'ledger', serviceAccount: name, uid, audience: 'postern' };
      if (n === 1) return control.platforms.bind(actor, name, { kind: 'kubernetes', ...pod }, 'why');
      const role = { account: '123456789012', uniqueId: 'AROAEXAMPLEEXAMPLE12', region: 'eu-central-1' };
      const session = n > 2 ? `i-${n}` : undefined;
      return control.platforms.bind(actor, name, { kind: 'aws', ...role, session, audience: 'p' }, undefined);
    },
    bindCertificate: () => {
      const by = n < 3 ? ({ trust: 'bank', by: 'dns' } as const) : ({ by: 'public_key' } as const);
      const value = n < 3 ? `${name}.example` : 'a'.repeat(64);
      return control.possession.bind(actor, name, { kind: 'certificate', ...by, value }, 'why');
    },
    secret: () =>
      control.staticSecrets.request(actor, {
        ...{ principal: name, reason: 'why', approver: 'appr@example.org' },
        expiresAt: rfc3339((Date.now() + 60_000) * 1000),
      }),
    approveSecret: async () => {
      const approver = await control.persons.get('appr@example.org');
      return control.staticSecrets.approve(approver, some(bindings));
    },
    invite: async () => {
      invited = (await control.keyPairs.invite(actor, { principal: name })).token;
    },
    join: () => {
      const client = makeKeyClient('https://localhost');
      return control.keyPairs.join(invited, client.jwk, client.joining(invited));
    },
    unbind: () => control.bindings.remove(actor, some(bindings), 'why'),
    exchange: () => control.exchange.issue({ ...asked(name, n), subject: tokenOf(name, n), actor: null }),
    delegate: async () => {
      words.set(name, (await control.own.delegations.create(actor, null, { actor: name })).token);
    },
    exchangeWord: () => {
      const subject = { type: TOKEN_TYPES.jwt, token: words.get(name) ?? '', source: '192.0.2.1' };
      return control.exchange.issue({ ...asked(name, n), subject, actor: tokenOf(name, n) });
    },
    revokeWord: async () => {
      const given = await control.own.delegations.list({ status: 'active' }, { limit: 100 });
      return control.own.delegations.revoke(actor, some(given), 'why');
    },
    revokeCredential: () => control.credentials.revoke(actor, some(credentials), 'why'),
    mask: () =>
      control.masks.create(actor, {
        ...(n > 0 && { principal: name }),
        ...(n > 1 && { resource: name }),
        ...(n === 2 && { grant: some(grants) }),
        classes: ['contact'],
        transform: { kind: n === 3 ? 'partial' : 'hash' },
      }),
    changeMask: () =>
      control.masks.update(actor, some(masks), { columns: [`a.b.c${n}`], probes: 'allow' }, 'why'),
    retireMask: () => control.masks.retire(actor, some(masks), 'why'),
    hold: () => control.holds.place(actor, { reason: 'suit', ...(n > 0 && { principal: name }) }),
    releaseHold: () => control.holds.release(actor, some(holds), 'settled'),
    retention: () =>
      control.retention.set(actor, {
        ...(n > 1 && { classification: `c${n}` }),
        ...(n === 3 ? { unset: true } : { statements: n === 0 ? null : 30 + n }),
      }),
    evidenceSchedule: () =>
      control.evidenceSchedules.create(
        actor,
        {
          ...{ name: `evidence-${n}`, every: 'quarter', at: '06:00', zone: 'UTC', framework: null },
          ...{ statements: 'full', parts: [], to: null },
        },
        'audit',
      ),
    endEvidenceSchedule: () => control.evidenceSchedules.end(actor, `evidence-${n}`, 'no more'),
    parameters: () => control.frameworkParameters.set(actor, `parameters: { inactive-days: ${n} }`, 'why'),
    lifecycle: () =>
      control.lifecycle.set(actor, n < 2 ? { rehomeDays: n } : { unusedDays: n === 2 ? null : n }, 'why'),
    declare: async () =>
      control.declarations.change(actor, `set-${n % 2}`, {
        add: [{ kind: 'principal', id: (await control.principals.get(name)).id }],
        remove: [],
      }),
    release: async () =>
      control.declarations.change(actor, `set-${n % 2}`, {
        add: [],
        remove: [{ kind: 'principal', id: (await control.principals.get(name)).id }],
      }),
    sweep: () => control.lifecycle.sweep(),
    policy: () =>
      control.policies.put(actor, `policy-${n % 2}`, POLICIES[n]?.(`policy-${n % 2}`) ?? '', 'why'),
    retirePolicy: () => control.policies.retire(actor, `policy-${n % 2}`, 'why'),
    request: () => {
      const asked = { principal: name, resource: name, scope: `select on a.t${n}`, ttlSeconds: 60 + n };
      const emergency = n % 2 === 0;
      return control.requests.create(actor, { ...asked, emergency, ...(n > 1 && { ticket: 'CHG-1' }) });
    },
    approve: () => control.requests.approve(personActor(others[n % others.length] ?? admin), some(requests)),
    denyRequest: () => control.requests.deny(actor, some(requests), 'no'),
    withdraw: () => control.requests.withdraw(actor, some(requests), 'not needed'),
    reviewLog: () =>
      control.logReviews.create(personActor(others[n % others.length] ?? admin), {
        ...(n > 0 && { principals: [name] }),
        ...{ from: n, to: 10 * n, finding: 'nothing unusual', log: { size: 100, root: 'x' } },
        answered: async () => n === 3,
      }),
    reconcile: () =>
      control.reconciliations.run(actor, name, {
        recorded: async () => ({ statements: n, unresolved: 0 }),
        survey: async () => ({
          survey: n === 0 ? { outcome: 'failed', why: 'x' } : (SURVEYS[n % 2] as Survey),
          before: [],
          after: [],
        }),
      }),
    disposeUnmanaged: async () => {
      const { id } = one(await control.reconciliations.unmanaged({}));
      const until = new Date(Date.now() + 60_000).toISOString();
      const said = [
        { kind: 'remediated' },
        { kind: 'accepted', until },
        { kind: 'adopted', owner: actor.id },
      ] as const;
      return control.reconciliations.dispose(actor, id, { reason: 'why', ...(said[n % 3] ?? said[0]) });
    },
    openReview: () =>
      control.reviews.open(actor, {
        ...{
          name: `review-${uuidv7().slice(-6)}`,
          dueSeconds: 1,
          graceSeconds: n < 2 ? 0 : 60,
          rehearsal: n === 1,
        },
        ...(n === 3 && { tags: { team: 'ledger' }, reviewers: ['appr@example.org'] }),
      }),
    decideReview: async () => {
      const item = one(await control.reviews.items({ status: 'open' }));
      const reviewer = await control.persons.get('appr@example.org');
      const shown = await control.reviews.show(item, reviewer, 'seen');
      const said = [
        { kind: 'keep' },
        { kind: 'narrow', scope: 'select on a.b' },
        { kind: 'revoke' },
        { kind: 'reassign', owner: email },
      ] as const;
      const decision = { ...(said[n] ?? said[0]), reason: 'why', view: shown?.sha256 ?? '' };
      return control.reviews.decide(personActor(reviewer), item.id, decision);
    },
    delegateReview: async () =>
      control.reviews.delegate(actor, one(await control.reviews.items({ status: 'open' })).id, email, 'why'),
    sweepReviews: () => control.reviews.sweep(),
    closeReview: async () =>
      control.reviews.close(actor, one(await control.reviews.list({ status: 'open' })).id, 'why'),
    scheduleReviews: () =>
      control.reviews.schedules.create(
        actor,
        { name: `schedule-${n}`, everyDays: 1, dueSeconds: 1, graceSeconds: 0 },
        'why',
      ),
    endSchedule: () => control.reviews.schedules.end(actor, `schedule-${n}`, 'why'),
    channel: () =>
      control.notifier.channels.create(actor, {
        ...{ name: `channel-${n}`, kind: 'webhook', webhook: { url: `https://hooks.example/${n}` } },
      }),
    changeChannel: () =>
      n === 0
        ? control.notifier.channels.rotate(actor, `channel-${n}`, { reason: 'why' })
        : control.notifier.channels.update(actor, `channel-${n}`, { events: ['request.*'] }, 'why'),
    retireChannel: () => control.notifier.channels.retire(actor, `channel-${n}`, 'why'),
    hook: () => control.notifier.links.addHook(n > 1 ? actor : personActor(one(others)), { name: 'desk' }),
    removeLink: async () =>
      control.notifier.links.remove(actor, some(await control.notifier.links.list({})), 'why'),
    beginAlerts: () => control.alerts.begin(),
    findAnomaly: async () => {
      const last = (await control.alerts.list({})).reduce((leaf, each) => Math.max(leaf, each.lastFound), 0);
      const { id } = await control.principals.get(name);
      const on = (await control.resources.list())[n];
      const leaf = last + (n === 3 ? 0 : 1);
      const found = { leaf, time: Date.now() * 1000, leaves: [leaf], values: [`v${n}`], count: n + 1 };
      const rule = n % 2 === 0 ? 'first_object' : 'denials';
      const about = { rule, parameters: {}, principal: { id, name }, resource: on ?? null } as const;
      return control.alerts.take([{ ...found, ...about }]);
    },
    acknowledgeAlert: async () =>
      control.alerts.acknowledge(actor, one(await control.alerts.list({ status: 'open' })).id, 'looking'),
    closeAlert: async () => {
      const { id } = one(await control.alerts.list({ status: 'unresolved' }));
      const said = [
        { kind: 'explained' },
        { kind: 'revoked', what: 'grants' },
        { kind: 'revoked', what: 'principal' },
        { kind: 'false_positive', expect: true },
      ] as const;
      return control.alerts.dispose(actor, id, { ...(said[n] ?? said[0]), reason: 'why' });
    },
    setAlertRule: () => control.alerts.set(actor, 'denials', { parameters: { count: 5 + n } }, 'why'),
    sink: () =>
      control.sinks.create(actor, {
        name: `sink-${n}`,
        target: n < 2 ? { kind: 'file' } : { kind: 'https', url: `https://siem-${n}.example/` },
        secret: n < 2 ? null : 'Bearer x',
        from: n,
      }),
    updateSink: () => control.sinks.update(actor, `sink-${n}`, { secret: n < 2 ? null : 'y' }, 'why'),
    pauseSink: () => control.sinks.pause(actor, `sink-${n}`, 'why'),
    resumeSink: () => control.sinks.resume(actor, `sink-${n}`, 'why'),
    retireSink: () => control.sinks.retire(actor, `sink-${n}`, 'why'),
    token: () => control.tokens.issue(actor, admin.id),
    diskFull: () => {
      sink.failing = true;
      return undefined;
    },
    diskFine: () => {
      sink.failing = false;
      return undefined;
    },
  };
  try {
    await steps[op]();
  } catch (error) {
    if (!(error instanceof PosternError)) throw error;
    assert.notEqual(error.code, 'POSTERN_INTERNAL');
  }
}

test('folding the records into empty tables gives the state tables, after any history', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (history) => {
      const dataDir = mkdtempSync(join(tmpdir(), 'postern-fold-'));
      const sink = new MemorySink();
      let knocks = 0;
      const control = await Control.open({
        dataDir,
        sink,
        publish: async () => undefined,
        door: async () => (++knocks % 5 === 0 ? { outcome: 'refused', why: 'x' } : { outcome: 'done' }),
        fetchIssuerKeys: async (issuer) => ({ issuer, jwks: JWKS }),
        platforms: {
          clusters: [{ name: 'prod', server: 'https://cluster.example', ca: '', tokenFile: 'none' }],
        },
      });
      const folded = Store.open(':memory:');
      try {
        await control.setup.complete((await control.setup.mint()) ?? '', 'Ada', 'ada@example.org');
        const [admin] = await control.persons.list({ limit: 1 });
        assert.ok(admin);
        const bea = { name: 'Bea', email: 'bea@example.org', roles: ['owner'] } as const;
        await control.persons.create(personActor(admin), bea);
        const appr = { name: 'Appr', email: 'appr@example.org', roles: ['approver', 'reviewer'] } as const;
        await control.persons.create(personActor(admin), appr);
        for (const { op, n } of history) await play(control, sink, op, n);
        await control.close();
        const records = sink.changes();
        await recover(folded, records);
        const state = Store.open(join(dataDir, 'state.db'));
        const expected = await dump(state);
        assert.deepEqual(await dump(folded), expected);
        // Applying the last records again, as recovery does, changes nothing.
        await recover(state, records.slice(Math.floor(records.length / 2)));
        assert.deepEqual(await dump(state), expected);
        await state.close();
        // And each record's `before` is what the record before it left.
        const known = new Map<string, unknown>();
        for (const { change } of records) {
          assert.deepEqual(change.before, known.get(change.id) ?? null);
          known.set(change.id, change.after);
        }
      } finally {
        await folded.close();
        rmSync(dataDir, { recursive: true, force: true });
      }
    }),
    { numRuns: 25 },
  );
});
