import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { RESOURCE } from '../access/control.fixture.ts';
import { personActor } from '../identity/persons.ts';
import { type Endpoint, testEndpoint, until } from '../notify/endpoint.fixture.ts';
import { signWebhook } from '../notify/signatures.ts';
import type { Person, Role } from '../store/entities.ts';
import { type Answer, itemsOf, type TestApi, testApi } from './api.fixture.ts';

const POLICY = `apiVersion: postern/v1
kind: AccessPolicy
metadata: { name: main }
spec:
  rules: [{ name: two, what: { resources: [ledger-db] }, approve: [{ count: 2, from: ['role:approver'] }] }]
`;
const NEVER = '018f0000-0000-7000-8000-000000000000';
const SLACK_SECRET = '8f742231b10e8888abcd99yyyzzz85a5';

interface Bank extends TestApi {
  readonly people: Readonly<Record<'olga' | 'max' | 'eva', Person>>;
  readonly tokenOf: (person: Person) => Promise<string>;
  readonly ask: (by?: Person) => Promise<string>;
}

async function bank(context: TestContext): Promise<Bank> {
  const api = await testApi(context);
  const { control, actor } = api;
  const person = (name: string, ...roles: Role[]) =>
    control.persons.create(actor, { name, email: `${name.toLowerCase()}@example.org`, roles });
  const people = {
    olga: await person('Olga', 'owner', 'approver'),
    max: await person('Max', 'approver'),
    eva: await person('Eva', 'approver'),
  };
  await control.principals.create(actor, {
    ...{ name: 'batch', kind: 'service_account', owner: people.olga.id, backupOwner: 'bea@example.org' },
    ...{ purpose: 'x', environment: 'production' },
  });
  await control.resources.create(actor, RESOURCE);
  await control.policies.put(actor, 'main', POLICY, 'begin');
  const ask = async (by = people.olga): Promise<string> => {
    const scope = `select on ledger.t${randomBytes(4).toString('hex')}`;
    const input = { principal: 'batch', resource: 'ledger-db', scope, ttlSeconds: 3600 };
    return (await control.requests.create(personActor(by), input)).id;
  };
  const how = { kind: 'cli', method: 'passkey', provider: null, source: '127.0.0.1' } as const;
  const tokenOf = async ({ id }: Person): Promise<string> =>
    (await control.sessions.open({ ...how, person: id, authenticatedAt: Date.now() })).token;
  return { ...api, people, ask, tokenOf };
}

interface Hook {
  readonly link: string;
  readonly post: (
    body: unknown,
    change?: Partial<{ id: string; at: number; secret: string }>,
  ) => Promise<Answer>;
}

async function hookOf(b: Bank, person: Person): Promise<Hook> {
  const made = await b.call('POST', '/v1/links/hook', { name: 'change-desk' }, await b.tokenOf(person));
  assert.equal(made.status, 201, made.text);
  const { signingSecret, link } = made.body as unknown as { signingSecret: string; link: { id: string } };
  const post: Hook['post'] = (body, { id, at, secret = signingSecret } = {}) => {
    const text = JSON.stringify(body);
    const now = at ?? Math.floor(Date.now() / 1000);
    const head = signWebhook([secret], id ?? `m${randomBytes(8).toString('hex')}`, now, text);
    return b.call('POST', `/v1/hooks/${link.id}`, text, null, {
      'webhook-id': head.id,
      'webhook-timestamp': head.timestamp,
      'webhook-signature': head.signature,
    });
  };
  return { link: link.id, post };
}

test('a hook agrees in the name of its person, once, and the record says by what', async (context) => {
  const b = await bank(context);
  const hook = await hookOf(b, b.people.max);
  const request = await b.ask();
  const answer = await hook.post({ request, decision: 'approve', comment: 'CHG-7 is approved' });
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.body.status, 'pending');
  const { approvals } = await b.control.requests.get(request);
  assert.deepEqual(
    approvals.map(({ person, comment, via }) => [person.name, comment, via]),
    [['Max', 'CHG-7 is approved', 'hook change-desk']],
  );
  // Another message of the same person counts no second time: two distinct people are asked for.
  assert.equal((await hook.post({ request, decision: 'approve' })).status, 409);
});

test('a message that comes again is refused, also after another, and one with another signature from the start', async (context) => {
  const b = await bank(context);
  const hook = await hookOf(b, b.people.max);
  const request = await b.ask();
  const body = { request, decision: 'approve' };
  assert.equal((await hook.post(body, { id: 'same' })).status, 200);
  assert.equal((await hook.post(body, { id: 'same' })).status, 401);
  assert.equal(
    (await hook.post({ request: await b.ask(), decision: 'approve' }, { id: 'same' })).status,
    401,
  );
  const other = `whsec_${randomBytes(32).toString('base64')}`;
  assert.equal((await hook.post(body, { secret: other })).status, 401);
  assert.equal((await hook.post(body, { at: Math.floor(Date.now() / 1000) - 301 })).status, 401);
  assert.equal((await b.call('POST', `/v1/hooks/${hook.link}`, body, null)).status, 401);
  assert.equal((await b.call('POST', `/v1/hooks/${NEVER}`, body, null)).status, 401);
  // A token of an administrator is no signature.
  assert.equal((await b.call('POST', `/v1/hooks/${hook.link}`, body)).status, 401);
});

test('a hook of who asked, who owns, or who was not named decides nothing', async (context) => {
  const b = await bank(context);
  const request = await b.ask(b.people.max);
  const hook = await hookOf(b, b.people.max);
  assert.equal((await hook.post({ request, decision: 'approve' })).status, 403);
  const owner = await hookOf(b, b.people.olga);
  assert.equal((await owner.post({ request, decision: 'approve' })).status, 403);
  assert.deepEqual((await b.control.requests.get(request)).approvals, []);
});

test('a no takes a reason, and says by what it came', async (context) => {
  const b = await bank(context);
  const hook = await hookOf(b, b.people.max);
  const request = await b.ask();
  assert.equal((await hook.post({ request, decision: 'deny' })).status, 400);
  assert.equal((await hook.post({ request, decision: 'maybe' })).status, 400);
  assert.equal((await hook.post({ request, decision: 'approve', as: 'ada' })).status, 400);
  assert.equal((await hook.post({ request, decision: 'deny', comment: 'no window' })).status, 200);
  const denied = await b.control.requests.get(request);
  assert.equal(denied.statusReason, 'no window (by hook change-desk)');
});

test('who is disabled between the request and the answer decides nothing, and neither when they are back', async (context) => {
  const b = await bank(context);
  const hook = await hookOf(b, b.people.max);
  const request = await b.ask();
  await b.control.persons.disable(b.actor, b.people.max.id, 'left');
  assert.equal((await hook.post({ request, decision: 'approve' })).status, 401);
  await b.control.persons.enable(b.actor, b.people.max.id, 'back');
  assert.equal((await hook.post({ request, decision: 'approve' })).status, 401);
  assert.deepEqual((await b.control.requests.get(request)).approvals, []);
});

test('a hook opens nothing else, ends when it is removed, and nobody makes one for another', async (context) => {
  const b = await bank(context);
  // An API token alone does not do: a link outlives it.
  const plain = (await b.control.tokens.issue(b.actor, b.people.max.id)).token;
  assert.equal((await b.call('POST', '/v1/links/hook', { name: 'desk' }, plain)).status, 401);
  const hook = await hookOf(b, b.people.max);
  const eva = await b.tokenOf(b.people.eva);
  assert.equal(itemsOf(await b.call('GET', '/v1/links', undefined, eva)).length, 0);
  const remove = `/v1/links/${hook.link}/remove`;
  assert.equal((await b.call('POST', remove, { reason: 'x' }, eva)).status, 403);
  assert.equal((await b.call('POST', remove, { reason: 'x' }, await b.tokenOf(b.people.max))).status, 200);
  assert.equal((await hook.post({ request: await b.ask(), decision: 'approve' })).status, 401);
  assert.ok(!b.answers.some((answer) => /"sealed"|vault/.test(answer)));
});

interface Slack {
  readonly endpoint: Endpoint;
  readonly send: (form: Record<string, string>, change?: { at?: number; secret?: string }) => Promise<Answer>;
  readonly again: () => Promise<Answer>;
  readonly link: (person: Person, user: string) => Promise<Answer>;
  readonly press: (
    user: string,
    request: string,
    action?: 'approve' | 'deny',
    comment?: string,
  ) => Promise<Answer>;
  /** What the last press was told. */
  readonly told: (count: number) => Promise<string>;
}

async function slackOf(b: Bank, context: TestContext): Promise<Slack> {
  const endpoint = await testEndpoint(context);
  endpoint.answer = (response) => void response.writeHead(200).end('{"ok":true}');
  const { origin } = new URL(endpoint.url);
  await b.control.notifier.channels.create(b.actor, {
    ...{ name: 'ops', kind: 'slack' },
    slack: {
      ...{ token: 'xoxb-1', conversation: 'C024BE91L', apiBase: `${origin}/api`, buttons: true },
      signingSecret: SLACK_SECRET,
    },
  });
  let last: () => Promise<Answer> = () => Promise.reject(new Error('nothing was sent'));
  const send: Slack['send'] = (form, { at = Math.floor(Date.now() / 1000), secret = SLACK_SECRET } = {}) => {
    const body = String(new URLSearchParams(form));
    const mac = createHmac('sha256', secret).update(`v0:${at}:${body}`).digest('hex');
    last = () =>
      b.call('POST', '/v1/slack/ops', body, null, {
        ...{ 'content-type': 'application/x-www-form-urlencoded', 'x-slack-signature': `v0=${mac}` },
        'x-slack-request-timestamp': String(at),
      });
    return last();
  };
  const link: Slack['link'] = async (person, user) => {
    const made = await b.call('POST', '/v1/links/slack', { channel: 'ops' }, await b.tokenOf(person));
    assert.equal(made.status, 201, made.text);
    return send({ command: '/postern', text: `link ${made.body.code}`, team_id: 'T1', user_id: user });
  };
  const press: Slack['press'] = (user, request, action = 'approve', comment) =>
    send({
      payload: JSON.stringify({
        type: 'block_actions',
        team: { id: 'T1' },
        user: { id: user },
        actions: [{ action_id: `postern.${action}`, value: request }],
        state: { values: { 'postern.comment': { 'postern.comment': { value: comment ?? null } } } },
        response_url: `${origin}/actions/1`,
        trigger_id: randomBytes(8).toString('hex'),
      }),
    });
  const told = async (count: number): Promise<string> => {
    const answers = await until(() => {
      const found = endpoint.taken.filter(({ path }) => path === '/actions/1');
      return found.length >= count && found;
    });
    return (JSON.parse(answers.at(-1)?.body ?? '{}') as { text: string }).text;
  };
  return { endpoint, send, again: () => last(), link, press, told };
}

test('a press of the button counts for the person who linked the account, twice pressed once, and with another it is granted', async (context) => {
  const b = await bank(context);
  const slack = await slackOf(b, context);
  assert.match((await slack.link(b.people.max, 'U1')).text, /decides as Max/);
  await slack.link(b.people.eva, 'U2');
  const request = await b.ask();
  assert.equal((await slack.press('U1', request, 'approve', 'fine')).status, 200);
  assert.match(await slack.told(1), /still needed: 1 of role:approver/);
  assert.equal((await slack.press('U1', request)).status, 200);
  assert.match(await slack.told(2), /Max has agreed already/);
  await Promise.all([slack.press('U2', request), slack.press('U2', request)]);
  await slack.told(4);
  const granted = await b.control.requests.get(request);
  assert.equal(granted.status, 'granted');
  assert.deepEqual(
    granted.approvals.map(({ comment, via }) => [comment, via]),
    [
      ['fine', 'Slack account U1 of T1'],
      [null, 'Slack account U2 of T1'],
    ],
  );
});

test('a message to Slack has the buttons, and what people wrote makes no mention in it', async (context) => {
  const b = await bank(context);
  const slack = await slackOf(b, context);
  b.control.start();
  await b.control.requests.create(b.actor, {
    ...{ principal: 'batch', resource: 'ledger-db', scope: 'select on a.b', ttlSeconds: 60 },
    justification: '<!channel> *now* <https://evil.example|bank>',
  });
  const [taken] = await until(() => slack.endpoint.taken.length > 0 && slack.endpoint.taken);
  assert.equal(taken?.path, '/api/chat.postMessage');
  assert.equal(taken?.headers.authorization, 'Bearer xoxb-1');
  assert.match(taken?.body ?? '', /"channel":"C024BE91L"/);
  assert.match(taken?.body ?? '', /postern\.approve.*postern\.deny/);
  assert.match(taken?.body ?? '', /&lt;!channel&gt;/);
  assert.doesNotMatch(taken?.body ?? '', /<!channel>|<https/);
});

test('who set the channel up, and could sign for others, gets nothing of theirs through it', async (context) => {
  const b = await bank(context);
  const slack = await slackOf(b, context);
  await slack.link(b.people.max, 'U1');
  const request = await b.ask(b.admin);
  await slack.press('U1', request);
  assert.match(await slack.told(1), /has a part in it/);
  assert.deepEqual((await b.control.requests.get(request)).approvals, []);
  // Another secret ends what was linked under the one before.
  const slackSecret = { slack: { signingSecret: 'another-secret-of-theirs' } };
  await b.control.notifier.channels.update(b.actor, 'ops', slackSecret, 'x');
  assert.deepEqual(await b.control.notifier.links.list({ status: 'active' }), []);
});

test('an account that nobody linked, and a no without a reason, decide nothing', async (context) => {
  const b = await bank(context);
  const slack = await slackOf(b, context);
  const request = await b.ask();
  await slack.press('U9', request);
  assert.match(await slack.told(1), /nobody's yet/);
  await slack.link(b.people.max, 'U1');
  await slack.press('U1', request, 'deny');
  assert.match(await slack.told(2), /needs a reason/);
  await slack.press('U1', request, 'deny', 'no window');
  assert.match(await slack.told(3), /denied/);
  assert.equal((await b.control.requests.get(request)).statusReason, 'no window (by Slack account U1 of T1)');
});

test('a replay, an old press, and one that Slack did not sign are refused', async (context) => {
  const b = await bank(context);
  const slack = await slackOf(b, context);
  await slack.link(b.people.max, 'U1');
  const request = await b.ask();
  assert.equal((await slack.press('U1', request)).status, 200);
  assert.equal((await slack.again()).status, 401);
  const form = { command: '/postern', text: 'link x', team_id: 'T1', user_id: 'U1' };
  assert.equal((await slack.send(form, { secret: 'another' })).status, 401);
  assert.equal((await slack.send(form, { at: Math.floor(Date.now() / 1000) - 400 })).status, 401);
  await b.control.notifier.channels.retire(b.actor, 'ops', 'over');
  assert.equal((await slack.press('U1', await b.ask())).status, 401);
  assert.deepEqual(await b.control.notifier.links.list({ status: 'active' }), []);
});

test("a code links once, its own channel only, and not an account that is somebody else's", async (context) => {
  const b = await bank(context);
  const slack = await slackOf(b, context);
  await slack.link(b.people.max, 'U1');
  assert.match((await slack.link(b.people.eva, 'U1')).text, /linked to somebody else/);
  const { code } = (
    await b.call('POST', '/v1/links/slack', { channel: 'ops' }, await b.tokenOf(b.people.eva))
  ).body;
  const typed = { command: '/postern', text: `link ${code}`, team_id: 'T1' };
  assert.match((await slack.send({ ...typed, user_id: 'U2' })).text, /decides as Eva/);
  assert.match((await slack.send({ ...typed, user_id: 'U3' })).text, /not good/);
  // A new account takes the place of the one before.
  await slack.link(b.people.eva, 'U4');
  const mine = await b.control.notifier.links.list({ status: 'active', person: b.people.eva.id });
  assert.deepEqual(
    mine.map((link) => link.kind === 'slack' && link.user),
    ['U4'],
  );
});

test('an answer to a press goes to Slack and nowhere else', async (context) => {
  const b = await bank(context);
  const slack = await slackOf(b, context);
  const other = await testEndpoint(context);
  const payload = {
    ...{ type: 'block_actions', team: { id: 'T1' }, user: { id: 'U1' }, response_url: other.url },
    actions: [{ action_id: 'postern.approve', value: await b.ask() }],
  };
  assert.equal((await slack.send({ payload: JSON.stringify(payload) })).status, 200);
  await slack.press('U1', await b.ask());
  await slack.told(1);
  assert.deepEqual(other.taken, []);
  for (const strange of [
    '',
    '{',
    '[]',
    '{"type":"view_submission"}',
    JSON.stringify({ ...payload, actions: [] }),
  ]) {
    assert.equal((await slack.send({ payload: strange })).status, 400);
  }
});

test('the page of a request decides nothing by being read, and shows nothing to who is not signed in', async (context) => {
  const b = await bank(context);
  const request = await b.ask();
  const { host } = new URL(b.deps.publicUrl());
  for (const path of [`/requests/${request}`, `/requests/${request}?decision=approve`]) {
    const page = await b.call('GET', path, undefined, null, { host });
    assert.equal(page.status, 200);
    assert.ok(!page.text.includes('batch'));
    assert.match(
      String(page.headers['content-security-policy']),
      /default-src 'none'.*frame-ancestors 'none'/,
    );
  }
  assert.equal((await b.control.requests.get(request)).status, 'pending');
  assert.equal((await b.call('GET', `/v1/requests/${request}/approve`)).status, 404);
  assert.equal((await b.call('GET', '/requests/request.js', undefined, null, { host })).status, 200);
});

test('no answer of the API has a secret of a channel, nor the URL that may hold one', async (context) => {
  const b = await bank(context);
  const admin = await b.tokenOf(b.admin);
  const body = {
    ...{ name: 'team', kind: 'webhook' },
    webhook: {
      url: 'https://hooks.bank.example/T0/s3cr3t-p4th',
      signingSecret: `whsec_${'QUJD'.repeat(10)}`,
    },
  };
  assert.equal((await b.call('POST', '/v1/channels', body, admin)).status, 201);
  await b.call('POST', '/v1/channels', { ...body, name: 'again' }, admin);
  await b.call('GET', '/v1/channels', undefined, admin);
  await b.call('POST', '/v1/channels/team/update', { events: ['review.*'], reason: 'less' }, admin);
  const shown = (await b.call('GET', '/v1/channels/team', undefined, admin)).body;
  assert.equal((shown.settings as unknown as { origin: string }).origin, 'https://hooks.bank.example');
  const seen = [...b.answers, ...b.logged, ...b.sink.written].join('\n');
  assert.doesNotMatch(seen, /s3cr3t-p4th|QUJDQUJD/);
});
