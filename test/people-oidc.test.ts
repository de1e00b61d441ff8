/** People who come in through an OpenID provider: a real one, and what somebody would try against it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { type Answer, type TestApi, testApi } from '../src/api/api.fixture.ts';
import { ensureTls, type TlsMaterial } from '../src/vault/ca.ts';
import { HeadlessBrowser, OidcProvider, type Page } from './support/oidc.ts';

const folder = mkdtempSync(join(tmpdir(), 'postern-oidc-'));
let tls: TlsMaterial;
before(async () => {
  tls = await ensureTls(folder);
});
after(() => rmSync(folder, { recursive: true, force: true }));

interface World {
  readonly api: TestApi;
  readonly idp: OidcProvider;
  readonly other: OidcProvider;
  /** Address of this installation. */
  readonly at: string;
  browser(): HeadlessBrowser;
  /** Signs a subject in through a provider; where the browser ends up. */
  login(browser: HeadlessBrowser, subject: string, name?: string, query?: string): Promise<Page>;
  whoAmI(browser: HeadlessBrowser): Promise<Page>;
}

/** An installation with two real providers, `bank` and `other`. */
async function world(context: TestContext, fields: object = {}): Promise<World> {
  let at = '';
  const api = await testApi(context, { publicUrl: () => at });
  at = `https://localhost:${(api.app.server.address() as { port: number }).port}`;
  const providers: OidcProvider[] = [];
  for (const name of ['bank', 'other']) {
    const started = await OidcProvider.start(tls, [`${at}/login/callback/${name}`]);
    context.after(() => started.stop());
    started.accounts.set('sub-ada', { email: 'ada@example.org', email_verified: true, name: 'Ada' });
    const client = { clientId: 'postern', clientSecret: 'client-secret-of-the-test', ca: tls.caPem };
    const body = { name, issuer: started.issuer, ...client, domains: ['example.org'], ...fields };
    const made = await api.call('POST', '/v1/providers', body);
    assert.equal(made.status, 201, made.text);
    providers.push(started);
  }
  const [idp, other] = providers as [OidcProvider, OidcProvider];
  return {
    ...{ api, idp, other, at },
    browser: () => new HeadlessBrowser(`${tls.caPem}${api.deps.tls.caPem}`),
    login: (browser, subject, name = 'bank', query = '') =>
      browser.go(`${at}/login/with/${name}${query}`, subject),
    whoAmI: (browser) => browser.step(`${at}/v1/whoami`),
  };
}

const records = (api: TestApi, type: string) =>
  api.sink.written.map((json) => JSON.parse(json)).filter((record) => record.type === type);
const failed = (page: Page): string | null => new URL(page.url).searchParams.get('failed');

test('somebody with a verified address of the domain is linked once, by issuer and subject, and comes in', async (context) => {
  const w = await world(context);
  const browser = w.browser();
  const page = await w.login(browser, 'sub-ada');
  assert.equal(page.url, `${w.at}/login`);
  const me = JSON.parse((await w.whoAmI(browser)).text);
  assert.equal(me.person.name, 'Ada Admin');
  assert.deepEqual([me.session.method, me.session.provider.name], ['oidc', 'bank']);
  const [added] = records(w.api, 'authenticator.added');
  assert.deepEqual([added.change.after.issuer, added.change.after.subject], [w.idp.issuer, 'sub-ada']);
  assert.equal(records(w.api, 'person.login').length, 1);
  // From now on the address says nothing: the subject does.
  w.idp.accounts.set('sub-ada', { email: 'else@example.org', email_verified: false });
  await w.login(w.browser(), 'sub-ada');
  assert.equal(records(w.api, 'person.login').length, 2);
  assert.equal(records(w.api, 'authenticator.added').length, 1);
});

test('nobody comes in by an address that is not verified, of another domain, taken over, or of a disabled person', async (context) => {
  const w = await world(context);
  const email = 'ada@example.org';
  const cases: [subject: string, account: object][] = [
    ['s1', { email, email_verified: false }],
    ['s2', { email }],
    ['s3', { email, email_verified: 'true' }],
    ['s4', { email: 'ada@example.org.evil.test', email_verified: true }],
    ['s5', { email: 'nobody@example.org', email_verified: true }],
    ['s6', {}],
  ];
  for (const [subject, account] of cases) {
    w.idp.accounts.set(subject, account);
    const browser = w.browser();
    assert.equal(failed(await w.login(browser, subject)), 'unauthorized', subject);
    assert.equal((await w.whoAmI(browser)).status, 401);
  }
  await w.login(w.browser(), 'sub-ada');
  // Another subject with the address, at the same provider and at another one.
  w.idp.accounts.set('s7', { email, email_verified: true });
  assert.equal(failed(await w.login(w.browser(), 's7')), 'unauthorized');
  assert.equal(failed(await w.login(w.browser(), 'sub-ada', 'other')), 'unauthorized');
  const { control, actor } = w.api;
  const ed = await control.persons.create(actor, { name: 'Ed', email: 'ed@example.org', roles: ['owner'] });
  await control.persons.disable(actor, ed.id, 'left');
  w.idp.accounts.set('s8', { email: 'ed@example.org', email_verified: true });
  assert.equal(failed(await w.login(w.browser(), 's8')), 'unauthorized');
  await control.doors.refusals.flush(Date.now(), true);
  const refused = records(w.api, 'person.login_refused');
  assert.ok(refused.some(({ refused: r }) => r.method === 'oidc' && r.count >= 5 && r.source !== null));
});

test('an invitation links whoever holds it, once, and nobody else', async (context) => {
  const w = await world(context, { domains: [] });
  const { control, actor } = w.api;
  const ed = await control.persons.create(actor, { name: 'Ed', email: 'ed@example.org', roles: ['owner'] });
  const invite = async () => (await w.api.call('POST', `/v1/persons/${ed.id}/invitations`, {})).body;
  const { token: invitation, url } = await invite();
  assert.match(String(url), /\/login\/invitation#inv_/);
  w.idp.accounts.set('sub-ed', { email: 'private@mail.test', email_verified: false });
  const begin = (body: object) =>
    w.api.call('POST', '/v1/login/invitation/provider', body, null, { origin: w.at });
  const begun = await begin({ invitation, provider: 'bank' });
  assert.equal(begun.status, 200, begun.text);
  const take = (answer: Answer): HeadlessBrowser => {
    const browser = w.browser();
    const cookie = /^([^=]+)=([^;]+)/.exec(String(answer.headers['set-cookie'])) ?? [];
    browser.cookies.set(new URL(w.at).host, new Map([[String(cookie[1]), String(cookie[2])]]));
    return browser;
  };
  const browser = take(begun);
  await browser.go(String(begun.body.url), 'sub-ed');
  assert.equal(JSON.parse((await w.whoAmI(browser)).text).person.name, 'Ed');
  assert.equal((await begin({ invitation, provider: 'bank' })).status, 401, 'it works once');
  // An invitation of another person is not taken by who is linked already.
  const eve = await control.persons.create(actor, {
    name: 'Eve',
    email: 'eve@example.org',
    roles: ['owner'],
  });
  const second = await w.api.call('POST', `/v1/persons/${eve.id}/invitations`, {});
  const stolen = await begin({ invitation: second.body.token, provider: 'bank' });
  const thief = take(stolen);
  assert.equal(failed(await thief.go(String(stolen.body.url), 'sub-ed')), 'unauthorized');
  assert.equal((await w.whoAmI(thief)).status, 401);
});

test('the answer of a login is worth nothing without its beginning, twice, in another browser or at another provider', async (context) => {
  const w = await world(context);
  const stop = new RegExp(`^${w.at}/login/callback/`);
  const begin = async () => {
    const browser = w.browser();
    return { browser, answer: (await browser.go(`${w.at}/login/with/bank`, 'sub-ada', stop)).url };
  };
  const { browser, answer } = await begin();
  const refused = async (who: HeadlessBrowser, url: string, why: string): Promise<void> => {
    const page = await who.step(url);
    assert.match(String(page.location), /failed=unauthorized/, why);
    assert.equal((await w.whoAmI(who)).status, 401, why);
  };
  await refused(w.browser(), answer, 'a browser that began nothing: login CSRF');
  const victim = await begin();
  await refused(victim.browser, answer, 'the answer of another beginning: code injection');
  const swapped = await begin();
  const mixed = swapped.answer.replace('/callback/bank', '/callback/other');
  await refused(swapped.browser, mixed, 'the answer of another provider: mix-up');
  for (const [change, why] of [
    [(url: URL) => url.searchParams.delete('state'), 'no state'],
    [(url: URL) => url.searchParams.set('state', 'x'.repeat(43)), 'another state'],
    [(url: URL) => url.searchParams.set('iss', w.other.issuer), 'another issuer (RFC 9207)'],
    [(url: URL) => url.searchParams.delete('iss'), 'no issuer (RFC 9207)'],
    [(url: URL) => url.searchParams.append('code', 'more'), 'two codes'],
    [(url: URL) => url.searchParams.set('code', 'guessed'), 'a guessed code'],
    [(url: URL) => url.searchParams.set('error', 'access_denied'), 'an error beside'],
  ] as const) {
    const attempt = await begin();
    const url = new URL(attempt.answer);
    change(url);
    await refused(attempt.browser, url.href, why);
  }
  const cookies = new Map(browser.cookies.get(new URL(w.at).host));
  assert.equal((await browser.step(answer)).location, `${w.at}/login`);
  assert.equal((await w.whoAmI(browser)).status, 200);
  const replay = w.browser();
  replay.cookies.set(new URL(w.at).host, cookies);
  await refused(replay, answer, 'the same answer with the same cookie once more');
});

test('a session that somebody else put into the browser is not the one that is signed in', async (context) => {
  const w = await world(context);
  const attacker = w.browser();
  await w.login(attacker, 'sub-ada');
  const host = new URL(w.at).host;
  const planted = attacker.cookies.get(host)?.get('__Host-postern') ?? '';
  const victim = w.browser();
  victim.cookies.set(host, new Map([['__Host-postern', planted]]));
  await w.login(victim, 'sub-ada');
  assert.notEqual(victim.cookies.get(host)?.get('__Host-postern'), planted);
  assert.equal((await w.whoAmI(attacker)).status, 401, 'the planted session has ended');
});

test('after a login the browser goes nowhere but to a path of this installation', async (context) => {
  const w = await world(context);
  for (const next of [
    '//evil.test',
    'https://evil.test/',
    '/\\evil.test',
    '/%0d%0aset-cookie:x',
    'login',
    '/..//evil.test',
  ]) {
    const page = await w.login(w.browser(), 'sub-ada', 'bank', `?next=${encodeURIComponent(next)}`);
    assert.equal(new URL(page.url).origin, w.at, next);
  }
  const page = await w.login(w.browser(), 'sub-ada', 'bank', '?next=%2Flogin%3Fport%3D4000');
  assert.equal(page.url, `${w.at}/login?port=4000`);
});

test('a change by cookie takes the page’s own proof and its origin; a bearer token and a reading do not', async (context) => {
  const w = await world(context);
  const browser = w.browser();
  await w.login(browser, 'sub-ada', 'bank', '?again=1');
  const cookie = `__Host-postern=${browser.cookies.get(new URL(w.at).host)?.get('__Host-postern')}`;
  const csrf = JSON.parse((await w.whoAmI(browser)).text).csrf;
  const change = (headers: Record<string, string>) =>
    w.api.call('POST', '/v1/recovery-codes', undefined, null, { cookie, ...headers });
  for (const headers of [
    {},
    { origin: w.at },
    { 'x-postern-csrf': csrf },
    { origin: 'https://evil.test', 'x-postern-csrf': csrf },
    { origin: 'null', 'x-postern-csrf': csrf },
    { origin: w.at, 'x-postern-csrf': `${csrf.slice(0, -1)}_` },
    { origin: w.at, 'x-postern-csrf': '' },
  ]) {
    assert.equal((await change(headers)).status, 403, JSON.stringify(headers));
  }
  const done = await change({ origin: w.at, 'x-postern-csrf': csrf });
  assert.equal(done.status, 201, done.text);
  const twice = { cookie: `${cookie}; ${cookie}`, origin: w.at, 'x-postern-csrf': csrf };
  assert.equal((await change(twice)).status, 401, 'a second cookie of the name beside it');
});

test('to show oneself anew takes a login with a password at that moment, and opens sensitive acts', async (context) => {
  const w = await world(context);
  const browser = w.browser();
  await w.login(browser, 'sub-ada');
  assert.equal(
    JSON.parse((await w.whoAmI(browser)).text).freshUntil,
    null,
    'a session of the provider may be old',
  );
  await w.login(browser, 'sub-ada', 'bank', '?again=1');
  const { freshUntil } = JSON.parse((await w.whoAmI(browser)).text);
  assert.ok(Date.parse(freshUntil) > Date.now() + 200_000);
});

test('groups of the provider give roles at each login; those given by hand and the last administrator stay', async (context) => {
  const roles = { Auditors: ['auditor'], Reviewers: ['reviewer'], Admins: ['admin'] };
  const groups = { claim: 'groups', roles };
  const w = await world(context, { groups, creates: true, scopes: ['email', 'profile', 'groups'] });
  const account = (list: string[]) => ({
    email: 'new@example.org',
    email_verified: true,
    name: 'New',
    groups: list,
  });
  const rolesNow = async () => (await w.api.control.persons.get('new@example.org')).roles;
  w.idp.accounts.set('sub-new', account([]));
  assert.equal(failed(await w.login(w.browser(), 'sub-new')), 'unauthorized', 'no group, no person');
  w.idp.accounts.set('sub-new', account(['Reviewers', 'Unknown', '__proto__']));
  await w.login(w.browser(), 'sub-new');
  assert.deepEqual(await rolesNow(), ['reviewer']);
  w.idp.accounts.set('sub-new', account(['Auditors']));
  await w.login(w.browser(), 'sub-new');
  assert.deepEqual(await rolesNow(), ['auditor']);
  w.idp.accounts.set('sub-new', account(['Auditors', 'Admins']));
  assert.equal(failed(await w.login(w.browser(), 'sub-new')), 'conflict', 'roles that do not go together');
  assert.deepEqual(await rolesNow(), ['auditor']);
  w.idp.accounts.set('sub-ada', { email: 'ada@example.org', email_verified: true, groups: [] });
  await w.login(w.browser(), 'sub-ada');
  assert.ok((await w.api.control.persons.get('ada@example.org')).roles.includes('admin'));
  const updates = records(w.api, 'person.updated').filter(({ actor }) => actor.kind === 'directory');
  assert.deepEqual(
    updates.map(({ actor, reason }) => [actor.name, reason]),
    [['bank', 'groups at bank']],
  );
});

test('the client secret of a provider is in no answer, record or file in the clear', async (context) => {
  const w = await world(context);
  const list = await w.api.call('GET', '/v1/providers');
  assert.equal(list.status, 200);
  await w.api.call('POST', '/v1/providers/bank/update', {
    clientSecret: 'client-secret-of-the-test',
    domains: [],
    reason: 'x',
  });
  const everything = [...w.api.answers, ...w.api.sink.written, ...w.api.logged].join('\n');
  assert.ok(!everything.includes('client-secret-of-the-test'));
});

test('the device flow of the provider signs the command line in, once, and only when the person has agreed', async (context) => {
  const w = await world(context);
  const begin = async () => {
    const begun = await w.api.call('POST', '/v1/login/device/begin', { provider: 'bank' }, null);
    assert.equal(begun.status, 200, begun.text);
    return begun.body;
  };
  const poll = (ticket: unknown) => w.api.call('POST', '/v1/login/device', { ticket }, null);
  const { ticket, verificationUriComplete, userCode } = await begin();
  assert.equal((await poll(ticket)).status, 202);
  assert.equal((await poll(`${String(ticket).slice(0, -2)}AA`)).status, 401);
  const browser = w.browser();
  let page = await browser.step(String(verificationUriComplete));
  // The provider shows the code to confirm it, then its own forms.
  for (let i = 0; i < 8 && /<form/.test(page.text); i++) {
    const action = /action="([^"]+)"/.exec(page.text)?.[1] ?? '';
    const xsrf = /name="xsrf" value="([^"]*)"/.exec(page.text)?.[1];
    const prompt = /name="prompt" value="(\w+)"/.exec(page.text)?.[1];
    const form =
      xsrf !== undefined
        ? { xsrf, user_code: String(userCode), confirm: 'yes' }
        : { prompt: prompt ?? '', login: 'sub-ada', password: 'any' };
    page = await browser.step(new URL(action, page.url).href, form);
    while (page.location !== null) page = await browser.step(page.location);
  }
  const done = await poll(ticket);
  assert.equal(done.status, 200, done.text);
  const me = await w.api.call('GET', '/v1/whoami', undefined, String(done.body.token));
  assert.deepEqual([me.body.person?.name, me.body.session?.method], ['Ada Admin', 'device']);
  assert.equal((await poll(ticket)).status, 401, 'it works once');
});
