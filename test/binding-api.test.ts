/** Bindings through the API: what presets and the linter let through, and what everybody sees of issuers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { itemsOf, type TestApi, testApi } from '../src/api/api.fixture.ts';
import { makeServerCertificate } from './support/certificates.ts';
import { Issuer } from './support/issuer.ts';

const AUDIENCE = 'https://postern.bank.example';
const GITHUB = 'https://token.actions.githubusercontent.com';
const IDS = { repository_id: '74', repository_owner_id: '65' };

async function person(api: TestApi, name: string, role: string): Promise<string> {
  const made = await api.call('POST', '/v1/persons', { name, email: `${name}@bank.example`, roles: [role] });
  assert.equal(made.status, 201, made.text);
  const token = await api.call('POST', `/v1/persons/${name}@bank.example/tokens`, {});
  assert.equal(token.status, 201, token.text);
  return String(token.body.token);
}

async function principal(api: TestApi, name: string, owner: string, backupOwner: string): Promise<void> {
  const made = await api.call('POST', '/v1/principals', {
    ...{
      name,
      kind: 'ci_runner',
      owner: `${owner}@bank.example`,
      backupOwner: `${backupOwner}@bank.example`,
    },
    ...{ purpose: 'Deploys', environment: 'production' },
  });
  assert.equal(made.status, 201, made.text);
}

test('a binding is made with what its preset asks for, and answered with what is doubtful about it', async (context) => {
  const tls = await makeServerCertificate();
  const issuer = await new Issuer(tls).listen();
  context.after(() => issuer.close());
  const api = await testApi(context);
  const [grace, otto, audit] = [
    await person(api, 'grace', 'owner'),
    await person(api, 'otto', 'owner'),
    await person(api, 'audit', 'auditor'),
  ];
  await principal(api, 'ci-ledger', 'grace', 'otto');
  const keys = { jwks: JSON.stringify(issuer.jwks) };
  const bind = (body: object, ref = 'ci-ledger') =>
    api.call('POST', `/v1/principals/${ref}/bindings`, { issuer: GITHUB, audience: AUDIENCE, keys, ...body });

  for (const [body, why] of [
    [{ preset: 'github', claims: { repository_id: '74' } }, /needs repository_owner_id/],
    [{ preset: 'github', claims: { ...IDS, sub: 'x' } }, /does not know the claim sub/],
    [{ claims: { sub: 'repo:bank/ledger:ref:refs/heads/main' } }, /repository_id/],
    [{ claims: { ...IDS, sub: 'repo:bank/ledger' } }, /put together from names/],
    [{ preset: 'github', claims: { ...IDS, ref: 'refs/heads/*' } }, /whole Git ref/],
    [{ preset: 'github', claims: { ...IDS, event_name: 'pull_request' } }, /anyone who proposes a change/],
    [{ preset: 'github', claims: IDS, audience: 'https://github.com/bank' }, /not this Postern's alone/],
    [{ preset: 'none', claims: IDS }, /no preset none/],
  ] as const) {
    const answer = await bind(body);
    assert.equal(answer.status, 400, answer.text);
    assert.match(answer.text, why);
  }
  const wide = await bind({ preset: 'github', claims: IDS });
  assert.equal(wide.status, 201, wide.text);
  assert.deepEqual(
    (wide.body.findings as unknown as { code: string }[]).map(({ code }) => code),
    ['any-branch'],
  );
  const elsewhere = await bind({
    preset: 'github',
    claims: { ...IDS, ref: 'refs/heads/x' },
    keys: { ca: tls.caPem },
  });
  assert.equal(elsewhere.status, 409, elsewhere.text);

  const seenBy = async (token: string) =>
    itemsOf(await api.call('GET', '/v1/bindings/lint', undefined, token));
  for (const token of [api.token, grace, otto, audit]) {
    const [finding, ...more] = await seenBy(token);
    assert.equal(more.length, 0);
    assert.equal(String(finding?.binding), String(wide.body.id));
    assert.equal(String(finding?.principal?.name), 'ci-ledger');
  }
  const nobody = await person(api, 'nora', 'owner');
  assert.deepEqual(await seenBy(nobody), [], 'an owner sees those of the principals that they answer for');
});

test('an issuer that does not answer is seen by those who may, and counted for everybody', async (context) => {
  const tls = await makeServerCertificate();
  const issuer = await new Issuer(tls).listen();
  context.after(() => issuer.close());
  let skew = 0;
  const api = await testApi(context, {}, { clock: () => (Date.now() + skew) * 1000 });
  await person(api, 'grace', 'owner');
  await person(api, 'otto', 'owner');
  await principal(api, 'nightly', 'grace', 'otto');
  const made = await api.call('POST', '/v1/principals/nightly/bindings', {
    ...{ issuer: issuer.url, audience: AUDIENCE, claims: { sub: 'job-1' }, keys: { ca: tls.caPem } },
  });
  assert.equal(made.status, 201, made.text);
  const warnings = async (): Promise<string> =>
    JSON.stringify((await api.call('GET', '/healthz', undefined, null)).body.warnings);
  assert.equal(await warnings(), '[]');
  issuer.misbehave = (_request, response) => {
    response.writeHead(500).end();
    return true;
  };
  skew = 20_000;
  await api.control.askKeys(issuer.url);
  assert.match(await warnings(), /1 of 1 issuers of tokens did not answer/);
  assert.ok(!(await warnings()).includes('localhost'), 'strangers are not told whose');
  const [state] = itemsOf(await api.call('GET', '/v1/issuers'));
  assert.equal(String(state?.state), 'late');
  assert.match(String(state?.error), /answers 500/);
  issuer.misbehave = null;
  skew = 40_000;
  await api.control.askKeys(issuer.url);
  assert.equal(await warnings(), '[]');
});
