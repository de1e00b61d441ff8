import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { uuidv7 } from '../core/ids.ts';
import type { ChangeRecord, RecordType } from '../core/record.ts';
import { nowMicros } from '../core/time.ts';
import { personActor } from '../identity/persons.ts';
import { type Endpoint, testEndpoint, until } from '../notify/endpoint.fixture.ts';
import { verifyWebhook } from '../notify/signatures.ts';
import type { Role } from '../store/entities.ts';
import { Store } from '../store/store.ts';
import { RESOURCE, type TestControl, testControl } from './control.fixture.ts';
import type { ControlOptions } from './control.ts';
import { tellingsOf } from './tellings.ts';

const POLICY = `apiVersion: postern/v1
kind: AccessPolicy
metadata: { name: main }
spec:
  rules:
    - name: urgent
      what: { longest: 1h, scope: 'all on hr.*' }
      when: { justification: true }
      emergency: { reviewWithin: 1d }
      approve: at once
    - name: two
      what: { resources: [ledger-db] }
      approve: [{ count: 2, from: ['role:approver'] }]
`;
const HOUR = 3_600_000_000;

interface Bank extends TestControl {
  readonly endpoint: Endpoint;
  readonly secret: string;
  readonly ask: () => Promise<string>;
}

async function bank(context: TestContext, options: Partial<ControlOptions> = {}): Promise<Bank> {
  const t = await testControl(context, { issuer: () => 'https://postern.bank.example', ...options });
  const { control, actor } = t;
  const person = (name: string, ...roles: Role[]) =>
    control.persons.create(actor, { name, email: `${name.toLowerCase()}@example.org`, roles });
  const olga = await person('Olga', 'owner');
  await person('Max', 'approver');
  await person('Eva', 'approver');
  await control.principals.create(actor, {
    ...{ name: 'batch', kind: 'service_account', owner: olga.id, backupOwner: 'bea@example.org' },
    ...{ purpose: 'x', environment: 'production' },
  });
  await control.resources.create(actor, RESOURCE);
  await control.policies.put(actor, 'main', POLICY, 'begin');
  const endpoint = await testEndpoint(context);
  const { signingSecret } = await control.notifier.channels.create(actor, {
    ...{ name: 'hook', kind: 'webhook', webhook: { url: endpoint.url } },
  });
  let tables = 0;
  const ask = async (): Promise<string> => {
    const scope = `select on ledger.t${tables++}`;
    const input = {
      principal: 'batch',
      resource: 'ledger-db',
      scope,
      ttlSeconds: 3600,
      justification: 'why',
    };
    return (await control.requests.create(actor, input)).id;
  };
  return { ...t, endpoint, secret: signingSecret ?? '', ask };
}

const deliveries = ({ control }: TestControl) => control.notifier.deliveries({});

interface Told {
  readonly type: string;
  readonly data: Readonly<Record<string, string>>;
}
const toldTo = ({ taken }: Endpoint): Told[] => taken.map(({ body }) => JSON.parse(body) as Told);

test('a request is told with a signature that fits, and without a statement or a secret', async (context) => {
  const b = await bank(context);
  b.control.start();
  const id = await b.ask();
  const [taken] = await until(() => b.endpoint.taken.length > 0 && b.endpoint.taken);
  assert.ok(taken);
  const head = {
    id: String(taken.headers['webhook-id']),
    timestamp: String(taken.headers['webhook-timestamp']),
    signature: String(taken.headers['webhook-signature']),
  };
  assert.ok(verifyWebhook([b.secret], head, taken.body, Date.now()));
  const [{ type, data }] = toldTo(b.endpoint) as [Told];
  assert.equal(type, 'request.opened');
  assert.equal(data.principal, 'batch');
  assert.equal(data.needs, '2 of role:approver');
  assert.equal(data.link, `https://postern.bank.example/requests/${id}`);
  const [delivery] = await until(async () => {
    const all = await deliveries(b);
    return all.every(({ status }) => status === 'delivered') && all;
  });
  assert.equal(delivery?.id, head.id);
  // Neither the secret nor the URL is in a record.
  assert.ok(!b.sink.written.join('\n').includes(b.secret.slice(6)));
  assert.ok(!b.sink.written.join('\n').includes('/hook'));
});

test('a request that nobody can agree to is told to administrators, and a person who joins it tells nobody again', async (context) => {
  const b = await bank(context);
  const nobody = POLICY.replaceAll('role:approver', 'group:nobody');
  await b.control.policies.put(b.actor, 'main', nobody, 'x');
  const request = await b.control.requests.get(await b.ask());
  const bea = personActor(await b.control.persons.get('bea@example.org'));
  const { principal, resource, scope, seconds } = request;
  await b.control.requests.create(bea, {
    ...{ principal: principal.id, resource: resource.id, scope, ttlSeconds: seconds },
  });
  const records = b.sink.changes().filter(({ type }) => type === 'grant.requested');
  assert.equal(records.length, 2);
  const store = Store.open(`${b.dataDir}/state.db`);
  context.after(() => store.close());
  const told = await tellingsOf(store.db, records);
  assert.deepEqual(
    told.map(({ kind, people }) => [kind, people.map(({ email }) => email)]),
    [['request.opened', ['ada@example.org']]],
  );
});

test('what becomes of a request is told in order, and once', async (context) => {
  const b = await bank(context);
  const id = await b.ask();
  for (const name of ['max', 'eva']) {
    const approver = personActor(await b.control.persons.get(`${name}@example.org`));
    await b.control.requests.approve(approver, id, 'as agreed');
  }
  assert.deepEqual(
    (await deliveries(b)).map(({ kind }) => kind),
    ['request.opened', 'request.agreed', 'request.granted'],
  );
  await b.control.requests.create(b.actor, {
    ...{ principal: 'batch', resource: 'ledger-db', scope: 'select on hr.salaries', ttlSeconds: 600 },
    ...{ justification: 'it burns', emergency: true },
  });
  assert.ok((await deliveries(b)).some(({ kind }) => kind === 'emergency.used'));
});

test('what the policy refuses by itself is told to nobody, so that nobody fills a mailbox by knocking', async (context) => {
  const b = await bank(context);
  const ask = { principal: 'batch', resource: 'ledger-db', scope: 'select on a.b', ttlSeconds: 86_400 * 91 };
  await assert.rejects(b.control.requests.create(b.actor, ask));
  await b.control.policies.put(
    b.actor,
    'main',
    POLICY.replace('what: { resources: [ledger-db] }', 'what: { resources: [other] }'),
    'x',
  );
  await b.control.requests.create(b.actor, { ...ask, ttlSeconds: 60 });
  assert.deepEqual(await deliveries(b), []);
});

test('a change that is refused tells nobody, and one whose channel is broken stands', async (context) => {
  const b = await bank(context);
  b.sink.failing = true;
  await assert.rejects(b.ask());
  b.sink.failing = false;
  assert.deepEqual(await deliveries(b), []);
  await b.ask();
  assert.equal((await deliveries(b)).length, 1);
});

test('an endpoint that answers 500 is tried again with the same id, and has the message in the end', async (context) => {
  let now = nowMicros();
  const b = await bank(context, { clock: () => now });
  let answers = 0;
  b.endpoint.answer = (response) => void response.writeHead(answers++ < 2 ? 500 : 200).end();
  b.control.start();
  await b.ask();
  // The clock runs fast, past each pause.
  const sent = await until(async () => {
    now += 60_000_000;
    return (await deliveries(b)).find(({ status }) => status === 'delivered');
  });
  assert.equal(sent.attempts, 3);
  const ids = new Set(b.endpoint.taken.map(({ headers }) => headers['webhook-id']));
  assert.equal(ids.size, 1);
  assert.equal(b.endpoint.taken.length, 3);
});

test('what is never taken is given up after its last try, on record, told to others, and can be sent again', async (context) => {
  let now = nowMicros();
  const b = await bank(context, { clock: () => now });
  const other = await testEndpoint(context);
  await b.control.notifier.channels.create(b.actor, {
    ...{ name: 'other', kind: 'webhook', webhook: { url: other.url }, events: ['channel.*'] },
  });
  b.endpoint.answer = (response) =>
    void response.writeHead(503, { 'retry-after': '1' }).end('a secret of theirs');
  b.control.start();
  await b.ask();
  const dead = await until(async () => {
    now += 13 * HOUR;
    return (await deliveries(b)).find(({ status }) => status === 'dead');
  });
  assert.equal(dead.attempts, 11);
  assert.equal(dead.error, 'it answers 503');
  const record = await until(() => b.sink.written.find((json) => json.includes('notification.failed')));
  assert.ok(!record.includes('a secret of theirs'));
  const told = await until(() => toldTo(other)[0]);
  assert.equal(told.type, 'channel.failed');
  b.endpoint.answer = (response) => void response.writeHead(204).end();
  const again = await b.control.notifier.redeliver(dead.id);
  assert.equal(again.attempts, 0);
  await until(async () =>
    (await b.control.notifier.deliveries({ status: 'delivered' })).some(({ id }) => id === dead.id),
  );
  await assert.rejects(b.control.notifier.redeliver(dead.id), { code: 'POSTERN_CONFLICT' });
});

test('a channel that stalls keeps neither others nor changes waiting', async (context) => {
  const b = await bank(context);
  b.endpoint.answer = () => undefined;
  const quick = await testEndpoint(context);
  await b.control.notifier.channels.create(b.actor, {
    ...{ name: 'quick', kind: 'webhook', webhook: { url: quick.url } },
  });
  b.control.start();
  for (let n = 0; n < 12; n += 1) await b.ask();
  await until(() => quick.taken.length === 12);
  // Two at a time of the one that stalls.
  assert.ok(b.endpoint.taken.length <= 2);
});

test('what was put on its way survives the process, and is sent with the id that it had', async (context) => {
  const b = await bank(context);
  await b.ask();
  const [before] = await deliveries(b);
  // Killed between the commit and the send: nothing was started, and state.db is all there is.
  const { Control } = await import('./control.ts');
  const after = await Control.open({
    dataDir: b.dataDir,
    sink: b.sink,
    publish: async () => undefined,
    leftover: b.sink.changes(),
  });
  context.after(() => after.close());
  assert.equal((await after.notifier.deliveries({})).length, 1, 'what was told of is not told again');
  after.start();
  await until(() => b.endpoint.taken.length > 0);
  assert.equal(b.endpoint.taken[0]?.headers['webhook-id'], before?.id);
});

test('a change that was recorded and not committed is told when it is made up for', async (context) => {
  const b = await bank(context);
  await b.ask();
  const { DatabaseSync } = await import('node:sqlite');
  const db = new DatabaseSync(`${b.dataDir}/state.db`);
  db.exec('DELETE FROM deliveries; DELETE FROM requests;');
  db.close();
  const { Control } = await import('./control.ts');
  const after = await Control.open({
    dataDir: b.dataDir,
    sink: b.sink,
    publish: async () => undefined,
    leftover: b.sink.changes(),
  });
  context.after(() => after.close());
  const told = await after.notifier.deliveries({});
  assert.deepEqual(
    told.map(({ kind }) => kind),
    ['request.opened'],
  );
});

test('more than sixty of a kind about one principal in an hour are held, and about another they go on', async (context) => {
  const b = await bank(context);
  for (let n = 0; n < 65; n += 1) {
    const id = await b.ask();
    await b.control.requests.withdraw(b.actor, id, 'again');
  }
  const all = await deliveries(b);
  assert.equal(all.filter(({ status }) => status === 'waiting').length, 120);
  assert.equal(all.filter(({ status }) => status === 'held').length, 10);
  await b.control.principals.create(b.actor, {
    ...{ name: 'other', kind: 'service_account', owner: 'olga@example.org', backupOwner: 'bea@example.org' },
    ...{ purpose: 'x', environment: 'production' },
  });
  const ask = { principal: 'other', resource: 'ledger-db', scope: 'select on a.b', ttlSeconds: 60 };
  await b.control.requests.create(b.actor, ask);
  assert.equal((await deliveries(b)).at(-1)?.status, 'waiting');
});

test('while one signing secret takes over from the other both sign, and then the new one alone', async (context) => {
  let now = nowMicros();
  const b = await bank(context, { clock: () => now });
  b.control.start();
  const rotated = await b.control.notifier.channels.rotate(b.actor, 'hook', { reason: 'yearly' });
  const signatures = async (): Promise<number> => {
    const before = b.endpoint.taken.length;
    await b.ask();
    await until(() => b.endpoint.taken.length > before);
    return String(b.endpoint.taken.at(-1)?.headers['webhook-signature']).split(' ').length;
  };
  assert.equal(await signatures(), 2);
  now += 25 * HOUR;
  assert.equal(await signatures(), 1);
  assert.notEqual(rotated.signingSecret, b.secret);
});

test('a retired channel takes nothing, what waits for it is dropped and its secrets are gone', async (context) => {
  const b = await bank(context);
  await b.ask();
  const channel = await b.control.notifier.channels.retire(b.actor, 'hook', 'moved');
  assert.deepEqual(await b.control.notifier.channels.secretsOf(channel), {});
  await b.ask();
  assert.deepEqual(
    (await deliveries(b)).map(({ status }) => status),
    ['dropped'],
  );
  await assert.rejects(b.control.notifier.channels.update(b.actor, 'hook', {}, 'x'), {
    code: 'POSTERN_CONFLICT',
  });
});

test('where a channel goes changes only with its secrets given anew', async (context) => {
  const { control, actor } = await bank(context);
  const { channels } = control.notifier;
  await channels.create(actor, {
    ...{ name: 'mail', kind: 'email' },
    email: { host: 'smtp.bank.example', user: 'u', password: 'p4ss', from: 'postern@bank.example' },
  });
  const moved = { email: { host: 'evil.example' } };
  await assert.rejects(channels.update(actor, 'mail', moved, 'x'), /give the password again/);
  await assert.rejects(channels.update(actor, 'mail', { email: { tls: 'none' } }, 'x'), /Without TLS/);
  await channels.create(actor, {
    ...{ name: 'ops', kind: 'slack' },
    slack: { token: 'xoxb-1', conversation: 'C024BE91L' },
  });
  await assert.rejects(
    channels.update(actor, 'ops', { slack: { apiBase: 'https://evil.example' } }, 'x'),
    /give the token again/,
  );
});

test('reviewers are reminded once for all that was missed, and told again only as time goes on', async (context) => {
  let now = nowMicros();
  const b = await bank(context, { clock: () => now });
  const { control, actor } = b;
  await control.persons.create(actor, { name: 'Rita', email: 'rita@example.org', roles: ['reviewer'] });
  const day = 86_400;
  await control.reviews.open(actor, { name: 'autumn', dueSeconds: 14 * day, graceSeconds: 4 * day });
  const kinds = async (): Promise<string[]> => {
    await control.reviews.sweep();
    return (await deliveries(b)).map(({ kind }) => kind);
  };
  assert.deepEqual(await kinds(), ['review.opened']);
  // Past both reminders at once, and back again.
  now += 13.5 * day * 1_000_000;
  assert.deepEqual(await kinds(), ['review.opened', 'review.due_soon']);
  now -= 12 * day * 1_000_000;
  assert.deepEqual(await kinds(), ['review.opened', 'review.due_soon']);
  now += 13 * day * 1_000_000;
  assert.deepEqual((await kinds()).slice(2), ['review.overdue']);
  now += 2.1 * day * 1_000_000;
  assert.deepEqual((await kinds()).slice(3), ['review.escalated']);
  now += 2 * day * 1_000_000;
  assert.deepEqual((await kinds()).slice(4), ['review.lapsed', 'review.closed']);
});

test('whom a review escalates to decides once it is overdue, and not before', async (context) => {
  let now = nowMicros();
  const { control, actor } = await bank(context, { clock: () => now });
  const eva = await control.persons.get('eva@example.org');
  await control.persons.create(actor, { name: 'Rita', email: 'rita@example.org', roles: ['reviewer'] });
  await control.reviews.open(actor, {
    ...{ name: 'autumn', dueSeconds: 3600, graceSeconds: 86_400, escalation: ['eva@example.org'] },
  });
  const [item] = await control.reviews.items({ status: 'open' });
  assert.ok(item);
  const may = async () => (await control.reviews.refusal(item, eva)) === null;
  assert.equal(await may(), false);
  now += 2 * HOUR;
  await control.reviews.sweep();
  assert.equal(await may(), true);
});

test('who answers for a principal hears of its end a week and a day ahead, once each, whatever the clock does', async (context) => {
  let now = nowMicros();
  const b = await bank(context, { clock: () => now });
  const expiresAt = new Date(now / 1000 + 30 * 86_400_000).toISOString();
  await b.control.principals.update(b.actor, 'batch', { expiresAt }, 'ends');
  const { tellExpiries } = await import('./expiry-tellings.ts');
  const look = async (): Promise<number> => {
    const store = Store.open(`${b.dataDir}/state.db`);
    await tellExpiries(store.db, b.control.notifier, now / 1000);
    await store.close();
    return (await deliveries(b)).filter(({ kind }) => kind === 'principal.expiring').length;
  };
  assert.equal(await look(), 0);
  now += 24 * 24 * HOUR;
  assert.equal(await look(), 1);
  assert.equal(await look(), 1);
  now += 5.5 * 24 * HOUR;
  assert.equal(await look(), 2);
  now -= 4 * 24 * HOUR;
  assert.equal(await look(), 2);
});

test('what a comparison found is one message, told again neither one by one nor when it is only known better', async (context) => {
  const b = await bank(context);
  const resource = await b.control.resources.get('ledger-db');
  const ref = { id: resource.id, name: resource.name };
  const found = (subject: string, before: string | null): ChangeRecord => {
    const after = {
      id: uuidv7(),
      resource: ref,
      subject,
      status: 'open',
      lastToldAt: '2026-11-22T05:00:00.000000Z',
    };
    const change = {
      entity: 'unmanaged',
      id: after.id,
      before: before === null ? null : { ...after, status: before },
      after,
    } as const;
    return { id: uuidv7(), time: after.lastToldAt, type: 'unmanaged.found', actor: b.actor, change };
  };
  const records = [
    found('account shadow', null),
    found('account old', 'gone'),
    found('account known', 'open'),
  ];
  const store = Store.open(`${b.dataDir}/state.db`);
  context.after(() => store.close());
  const all = await tellingsOf(store.db, records);
  assert.deepEqual(
    all.map(({ kind, fields, people }) => [
      kind,
      fields.count,
      fields.subjects,
      people.map(({ email }) => email),
    ]),
    [['unmanaged.found', '2', 'account shadow; account old', ['ada@example.org']]],
  );
  const [alone] = await tellingsOf(store.db, records.slice(1, 2));
  assert.equal(alone?.event, all[0]?.event);
});

test('an alert is told to who answers for the principal and who reviews, its repeats to nobody, and its end to who answers', async (context) => {
  const b = await bank(context);
  await b.control.persons.create(b.actor, { name: 'Rita', email: 'rita@example.org', roles: ['reviewer'] });
  const { id, name } = await b.control.principals.get('batch');
  const alert = {
    ...{
      id: uuidv7(),
      rule: 'first_object',
      principal: { id, name },
      values: ['hr.salaries'],
      resource: null,
    },
    ...{ status: 'open', disposition: null },
  };
  const disposition = { kind: 'explained', by: { id: 'x', name: 'Olga' }, reason: 'new report' };
  const record = (type: RecordType, before: object | null, after: object): ChangeRecord => ({
    ...{ id: uuidv7(), time: '2026-11-22T05:00:00.000000Z', type, actor: b.actor, principal: { id, name } },
    change: { entity: 'alert', id: alert.id, before, after },
  });
  const store = Store.open(`${b.dataDir}/state.db`);
  context.after(() => store.close());
  const all = await tellingsOf(store.db, [
    record('alert.raised', null, alert),
    record('alert.repeated', alert, { ...alert, count: 2 }),
    record('alert.explained', alert, { ...alert, status: 'closed', disposition }),
  ]);
  assert.deepEqual(
    all.map(({ kind, people }) => [kind, ...people.map((person) => person.id).sort()].length),
    [4, 3],
  );
  assert.deepEqual(
    all.map(({ kind }) => kind),
    ['alert.raised', 'alert.closed'],
  );
  assert.equal(all[0]?.fields.values, 'hr.salaries');
});

test('administrators are told of a sink that fails, and that it takes events again, once for each time', async (context) => {
  const b = await bank(context);
  const sink = { id: uuidv7(), name: 'siem' };
  const at = '2026-11-23T17:59:00.000000Z';
  const of = (failingSince: string) => ({ next: 12, at: null, rejected: 0, failingSince });
  const fault = 'it answers with 503';
  const failed = (since: string) => b.control.recordSink('sink.failed', sink, { ...of(since), fault });
  await failed(at);
  // Written, and killed before it was remembered that it was.
  await failed(at);
  await b.control.recordSink('sink.recovered', sink, of(at));
  await b.control.recordSink('sink.delivered', sink, { next: 20, at, rejected: 0 });
  await failed('2026-11-23T18:59:00.000000Z');
  assert.equal((await deliveries(b)).length, 3);
  b.control.start();
  await until(() => b.endpoint.taken.length === 3);
  const told = toldTo(b.endpoint).sort((x, y) => x.type.localeCompare(y.type));
  assert.deepEqual(
    told.map(({ type, data }) => [type, data.sink, data.fault]),
    [
      ['sink.failed', 'siem', fault],
      ['sink.failed', 'siem', fault],
      ['sink.recovered', 'siem', undefined],
    ],
  );
  assert.deepEqual(
    told.map(({ data }) => data.since),
    ['2026-11-23 17:59:00Z', '2026-11-23 18:59:00Z', '2026-11-23 17:59:00Z'],
  );
});
