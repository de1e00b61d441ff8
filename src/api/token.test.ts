import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, verify, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { tokenSha256 } from '../identity/proof.ts';
import type { Credential } from '../store/entities.ts';
import type { Json } from './api.fixture.ts';
import { newClientKey } from './client-key.fixture.ts';
import {
  ACCESS,
  dpopProof,
  EXCHANGE,
  ISSUER,
  JWT,
  PASSWORD,
  type TestExchange,
  testExchange,
  thumbprintOf,
} from './token.fixture.ts';

const bySubject = (t: TestExchange, workload: string, claims: object = {}) => ({
  subject_token: t.platformToken(workload, claims),
  subject_token_type: JWT,
});
const claimsOf = (token: unknown): Json =>
  JSON.parse(Buffer.from(String(token).split('.')[1] ?? '', 'base64url').toString()) as Json;
const recordsOf = (t: TestExchange, type: string): Json[] =>
  t.sink.written.map((json) => JSON.parse(json) as Json).filter((record) => String(record.type) === type);

test('a token of a platform is exchanged for a password that ends by itself', async (context) => {
  const t = await testExchange(context);
  const token = t.platformToken('deploy', { jti: 'job-7' });
  const answer = await t.ask({
    subject_token: token,
    subject_token_type: JWT,
    requested_token_type: PASSWORD,
    audience: 'ledger-db',
    lifetime: '120',
  });
  assert.equal(answer.status, 200);
  const { body } = answer;
  assert.match(String(body.access_token), /^postern_/);
  assert.equal(String(body.issued_token_type), PASSWORD);
  assert.equal(String(body.token_type), 'N_A');
  assert.ok(Number(body.expires_in) > 110 && Number(body.expires_in) <= 120);
  assert.equal(String(body.username), 'deploy');
  assert.equal(answer.headers['cache-control'], 'no-store');
  assert.equal(answer.headers.pragma, 'no-cache');
  const [record] = recordsOf(t, 'credential.issued');
  const after = record?.change?.after as unknown as Credential;
  assert.equal(String(record?.actor?.name), 'deploy');
  assert.equal(String(record?.actor?.kind), 'principal');
  const [binding] = await t.control.bindings.list(after.principal.id);
  assert.deepEqual(after.exchange, {
    binding: binding?.id,
    kind: 'oidc',
    issuer: ISSUER,
    sha256: tokenSha256(token),
    source: '127.0.0.1',
    subject: 'job:deploy',
    jti: 'job-7',
    claims: { workload: 'deploy', sub: 'job:deploy' },
  });
  const resource = await t.control.resources.get('ledger-db');
  assert.equal(after.resource, resource.id);
  const view = t.deltas.flatMap((delta) => delta.credentials ?? []).find(({ id }) => id === after.id);
  assert.equal(view?.resourceId, resource.id);
  for (const secret of [token, String(body.access_token)])
    assert.ok(!t.sink.written.join().includes(secret), 'a record holds a secret');
});

test('a credential ends no later than its proof, its grant and an hour', async (context) => {
  const t = await testExchange(context);
  const left = async (parameters: Record<string, string>, claims: object = {}): Promise<number> =>
    Number((await t.ask({ ...bySubject(t, 'deploy', claims), ...parameters })).body.expires_in);
  assert.ok((await left({})) > 890);
  assert.ok((await left({ lifetime: '3600' })) <= 1800);
  assert.ok((await left({ lifetime: '3600', audience: 'ledger-db' })) <= 600);
  assert.ok((await left({}, { exp: Math.floor(Date.now() / 1000) + 30 })) <= 30);
  for (const lifetime of ['59', '3601', '0', '-1', '1e3', 'x'])
    assert.equal((await t.ask({ ...bySubject(t, 'deploy'), lifetime })).status, 400, lifetime);
});

test('a request for a certificate gives one of the client', async (context) => {
  const t = await testExchange(context);
  const { csrPem } = await newClientKey();
  const wanted = { requested_token_type: 'urn:postern:token-type:x509-certificate' };
  const answer = await t.ask({ ...bySubject(t, 'deploy'), ...wanted, csr: csrPem });
  assert.equal(answer.status, 200);
  const certificate = new X509Certificate(String(answer.body.access_token));
  assert.equal(certificate.subjectAltName, 'URI:postern://principal/deploy');
  const without = await t.ask({ ...bySubject(t, 'deploy'), ...wanted });
  assert.equal(String(without.body.error), 'invalid_request');
  const spare = await t.ask({ ...bySubject(t, 'deploy'), csr: 'x' });
  assert.equal(String(spare.body.error), 'invalid_request');
});

test('a bearer token is signed with a published key, and is good for its principal until it is revoked', async (context) => {
  const t = await testExchange(context);
  const answer = await t.ask(bySubject(t, 'deploy'));
  assert.equal(String(answer.body.token_type), 'Bearer');
  const token = String(answer.body.access_token);
  const [head = '', payload = '', signature = ''] = token.split('.');
  const header = JSON.parse(Buffer.from(head, 'base64url').toString()) as Json;
  assert.equal(String(header.typ), 'at+jwt');
  const metadata = (await t.call('GET', '/.well-known/openid-configuration', undefined, null)).body;
  const issuer = `https://localhost:${t.port()}`;
  assert.equal(String(metadata.issuer), issuer);
  assert.equal(String(metadata.token_endpoint), `${issuer}/v1/token`);
  const jwks = (await t.call('GET', '/.well-known/jwks.json', undefined, null)).body;
  const keys = jwks.keys as unknown as Json[];
  const jwk = keys.find(({ kid }) => String(kid) === String(header.kid));
  assert.ok(jwk && jwk.d === undefined);
  const key = createPublicKey({ key: jwk as never, format: 'jwk' });
  const signed = Buffer.from(`${head}.${payload}`);
  assert.ok(
    verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url')),
  );
  const claims = claimsOf(token);
  assert.equal(String(claims.sub), 'postern://principal/deploy');
  assert.equal(String(claims.iss), issuer);
  assert.equal(claims.act, undefined);

  const self = await t.call('GET', '/v1/self', undefined, token);
  assert.equal(String(self.body.principal?.name), 'deploy');
  assert.equal((await t.call('GET', '/v1/principals', undefined, token)).status, 403);
  assert.equal((await t.call('GET', '/v1/self')).status, 403);
  // Signed by the key of before: good until it ends. The next one was published already.
  const published = new Set(keys.map(({ kid }) => String(kid)));
  const rotated = await t.control.own.rotateKey(t.actor, 'planned');
  assert.ok(published.has(rotated.after) && rotated.before === String(header.kid));
  assert.equal((await t.call('GET', '/v1/self', undefined, token)).status, 200);
  assert.equal(String(recordsOf(t, 'token_key.rotated')[0]?.reason), 'planned');
  const next = String((await t.ask(bySubject(t, 'deploy'))).body.access_token);
  assert.equal((await t.call('GET', '/v1/self', undefined, next)).status, 200);

  await t.control.credentials.revoke(t.actor, String(claims.jti), 'lost');
  assert.equal((await t.call('GET', '/v1/self', undefined, token)).status, 401);
  await t.control.principals.suspend(t.actor, 'deploy', 'why');
  assert.equal((await t.call('GET', '/v1/self', undefined, next)).status, 401);
});

test('a bearer token for a resource is not one for Postern itself', async (context) => {
  const t = await testExchange(context);
  const { body } = await t.ask({ ...bySubject(t, 'deploy'), resource: 'postern://resource/ledger-db' });
  assert.equal(String(claimsOf(body.access_token).aud), 'postern://resource/ledger-db');
  assert.equal((await t.call('GET', '/v1/self', undefined, String(body.access_token))).status, 401);
});

test('a token that was asked for with a proof of a key is worth nothing without the key', async (context) => {
  const t = await testExchange(context);
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const url = `https://localhost:${t.port()}`;
  const dpop = dpopProof(key, { htm: 'POST', htu: `${url}/v1/token` });
  const { body } = await t.ask(bySubject(t, 'deploy'), { dpop });
  assert.equal(String(body.token_type), 'DPoP');
  const token = String(body.access_token);
  assert.equal(String(claimsOf(token).cnf?.jkt), thumbprintOf(key.publicKey));
  const replayed = await t.ask(bySubject(t, 'deploy'), { dpop });
  assert.equal(String(replayed.body.error), 'invalid_dpop_proof');
  assert.equal((await t.call('GET', '/v1/self', undefined, token)).status, 401);

  const ath = tokenSha256(token);
  const proofOf = (pair: typeof key, claims: object = {}) =>
    dpopProof(pair, { htm: 'POST', htu: `${url}/v1/delegations`, ath: base64url(ath), ...claims });
  const use = (authorization: string, proof: string) =>
    t.ask({}, { authorization, dpop: proof }, { path: '/v1/delegations' });
  // Let through to the body, which is none that this route takes.
  assert.equal((await use(`DPoP ${token}`, proofOf(key))).status, 415);
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  for (const [scheme, proof] of [
    ['DPoP', proofOf(stranger)],
    ['DPoP', proofOf(key, { htm: 'GET' })],
    ['DPoP', proofOf(key, { htu: `${url}/v1/self` })],
    ['DPoP', proofOf(key, { ath: base64url(tokenSha256('other')) })],
    ['DPoP', proofOf(key, { iat: Math.floor(Date.now() / 1000) - 120 })],
    ['Bearer', proofOf(key)],
  ] as const)
    assert.equal((await use(`${scheme} ${token}`, proof)).status, 401);
  const plain = String((await t.ask(bySubject(t, 'deploy'))).body.access_token);
  const stolen = proofOf(stranger, { ath: base64url(tokenSha256(plain)) });
  assert.equal((await use(`DPoP ${plain}`, stolen)).status, 401);
});

test('a token that was asked for with a client certificate is worth nothing without it', async (context) => {
  const t = await testExchange(context);
  const { keyPem, csrPem } = await newClientKey();
  const wanted = { requested_token_type: 'urn:postern:token-type:x509-certificate', csr: csrPem };
  const cert = String((await t.ask({ ...bySubject(t, 'agent'), ...wanted })).body.access_token);
  const tls = { cert, key: keyPem };
  const { body } = await t.ask(bySubject(t, 'deploy'), {}, tls);
  const token = String(body.access_token);
  const thumbprint = base64url(new X509Certificate(cert).fingerprint256.replaceAll(':', ''));
  assert.equal(String(claimsOf(token).cnf?.['x5t#S256']), thumbprint);
  assert.equal((await t.call('GET', '/v1/self', undefined, token)).status, 401);
  const use = { ...tls, path: '/v1/delegations' };
  // Let through to the body, which is none that this route takes.
  assert.equal((await t.ask({}, { authorization: `Bearer ${token}` }, use)).status, 415);
  const act = { actor_token: token, actor_token_type: ACCESS };
  const word = await t.call('POST', '/v1/delegations', { actor: 'deploy' });
  const subject = { subject_token: String(word.body.token), subject_token_type: JWT };
  assert.equal((await t.ask({ ...subject, ...act })).status, 400);
  assert.equal((await t.ask({ ...subject, ...act }, {}, tls)).status, 200);
});

test('a chain of delegations has an end, and never comes back to who is in it', async (context) => {
  const t = await testExchange(context);
  const { control, actor, admin } = t;
  const [backup] = (await control.persons.list({ limit: 10 })).filter(({ id }) => id !== admin.id);
  const names = ['one', 'two', 'three', 'four', 'five'];
  for (const name of names) {
    await control.principals.create(actor, {
      ...{
        name,
        kind: 'agent',
        owner: admin.id,
        backupOwner: backup?.id ?? '',
        purpose: 'x',
        environment: 'test',
      },
    });
    const claims = { workload: name };
    await control.bindings.create(actor, {
      kind: 'oidc',
      principal: name,
      issuer: ISSUER,
      audience: 'postern',
      claims,
    });
  }
  let by = t.token;
  const give = (to: string) => t.call('POST', '/v1/delegations', { actor: to }, by);
  const parties: string[] = [`postern://person/${admin.id}`];
  for (const name of names.slice(0, 4)) {
    const word = await give(name);
    assert.equal(word.status, 201, name);
    const { body } = await t.ask({
      ...{ subject_token: String(word.body.token), subject_token_type: JWT },
      ...{ actor_token: t.platformToken(name), actor_token_type: JWT },
    });
    by = String(body.access_token);
    parties.push(`postern://principal/${name}`);
    // RFC 8693, 4.1: the origin at the top, who acts now outermost, those before within.
    const claims = claimsOf(by);
    const act = (at: number): object | undefined =>
      at === 0 ? undefined : { ...(at > 1 && { act: act(at - 1) }), sub: parties[at] };
    assert.equal(String(claims.sub), parties[0]);
    assert.deepEqual(claims.act, act(parties.length - 1));
    assert.equal((await give(name)).status, 409, 'to itself');
    if (name !== 'one') assert.equal((await give('one')).status, 409, 'back to the first');
  }
  assert.equal((await give('five')).status, 409, 'too long');
  // The person at the origin leaves: nothing stands any more.
  await control.persons.create(actor, { name: 'Cy', email: 'cy@example.org', roles: ['admin'] });
  await control.persons.disable(actor, admin.id, 'left');
  assert.equal((await t.call('GET', '/v1/self', undefined, by)).status, 401);
});

const base64url = (hex: string): string => Buffer.from(hex, 'hex').toString('base64url');

test('what is asked for wrongly is refused in the words of OAuth', async (context) => {
  const t = await testExchange(context);
  // Each of them once.
  const good = () => bySubject(t, 'deploy');
  const error = async (parameters: Record<string, string>): Promise<string> => {
    const answer = await t.ask(parameters);
    assert.equal(answer.status, 400);
    assert.equal(answer.headers['cache-control'], 'no-store');
    return String(answer.body.error);
  };
  assert.equal(await error({ ...good(), grant_type: 'password' }), 'unsupported_grant_type');
  assert.equal(await error({ ...good(), scope: 'everything' }), 'invalid_scope');
  assert.equal(await error({ ...good(), audience: 'other-db' }), 'invalid_target');
  assert.equal(
    await error({ ...good(), audience: 'ledger-db', resource: 'postern://resource/x' }),
    'invalid_target',
  );
  assert.equal(await error({ ...good(), resource: 'https://elsewhere' }), 'invalid_target');
  assert.equal(await error({ ...good(), subject_token_type: 'urn:x' }), 'invalid_request');
  assert.equal(await error({ ...good(), requested_token_type: 'urn:x' }), 'invalid_request');
  assert.equal(await error({ subject_token: 'x' }), 'invalid_request');
  assert.equal(await error({ ...good(), audiance: 'ledger-db' }), 'invalid_request');
  assert.equal(await error({ ...good(), subject_token: 'nothing' }), 'invalid_grant');
  assert.equal(
    await error({ ...good(), scope: 'grant:018f0000-0000-7000-8000-000000000000' }),
    'invalid_target',
  );
  const twice = await t.ask(good(), {}, { path: '/v1/token?x=1' });
  assert.equal(twice.status, 200, 'what is in the query is not looked at');
});

test('a body that is two, too many, too long or of another kind is not read as one', async (context) => {
  const t = await testExchange(context);
  const good = () => new URLSearchParams({ grant_type: EXCHANGE, ...bySubject(t, 'deploy') });
  const post = (body: string, type = 'application/x-www-form-urlencoded') =>
    t.post(body, { 'content-type': type });
  assert.equal((await post(good().toString())).status, 200);
  for (const name of ['audience', 'subject_token', 'lifetime', 'grant_type']) {
    const twice = good();
    twice.append(name, 'ledger-db');
    if (!twice.getAll(name)[1]) twice.append(name, 'other-db');
    assert.equal(String((await post(twice.toString())).body.error), 'invalid_request', name);
  }
  const many = good();
  for (let i = 0; i < 40; i++) many.append(`p${i}`, '');
  assert.equal(String((await post(many.toString())).body.error), 'invalid_request');
  const json = JSON.stringify(Object.fromEntries(good()));
  assert.equal((await post(json, 'application/json')).status, 415);
  assert.equal((await post('x'.repeat(100_000))).status, 413);
  assert.equal((await post(good().toString(), 'text/plain')).status, 415);
  const long = { ...bySubject(t, 'deploy'), subject_token: `e${'x'.repeat(20_000)}.e.e` };
  assert.equal(String((await t.ask(long)).body.error), 'invalid_grant');
  assert.equal((await t.call('GET', '/v1/token', undefined, null)).status, 404);
});

test('a bearer token of Postern is not exchanged for more of them', async (context) => {
  const t = await testExchange(context);
  const token = String((await t.ask(bySubject(t, 'deploy'))).body.access_token);
  for (const type of [ACCESS, JWT]) {
    const answer = await t.ask({ subject_token: token, subject_token_type: type });
    assert.equal(answer.status, 400);
  }
});

test('whoever goes on failing is not heard any more, and fills no log', async (context) => {
  const t = await testExchange(context);
  const bad = { subject_token: 'e.e.e', subject_token_type: JWT };
  for (let i = 0; i < 30; i++) assert.equal((await t.ask(bad)).status, 400);
  const late = await t.ask(bySubject(t, 'deploy'));
  assert.equal(late.status, 429);
  assert.equal(late.headers['retry-after'], '60');
  assert.equal(recordsOf(t, 'credential.refused').length, 2);
  const [first] = recordsOf(t, 'credential.refused');
  assert.equal(String(first?.code), 'POSTERN_UNAUTHORIZED');
  assert.equal(first?.principal, undefined);
});

test('a principal that is not active, or whose binding is gone, gets nothing, and loses what it got', async (context) => {
  const t = await testExchange(context);
  const { body } = await t.ask({ ...bySubject(t, 'agent'), requested_token_type: PASSWORD });
  const agent = await t.control.principals.get('agent');
  const [binding] = await t.control.bindings.list(agent.id);
  await t.control.bindings.remove(t.actor, binding?.id ?? '', 'moved');
  const credential = await t.control.credentials.get(String(body.credential));
  assert.equal(credential.status, 'revoked');
  const told = t.deltas.at(-1)?.credentials?.find(({ id }) => id === credential.id);
  assert.equal(told?.status, 'revoked', 'the workers are told with the same change');
  assert.equal(String((await t.ask(bySubject(t, 'agent'))).body.error), 'invalid_grant');
  await t.control.principals.suspend(t.actor, 'deploy', 'why');
  assert.equal(String((await t.ask(bySubject(t, 'deploy'))).body.error), 'unauthorized_client');
  const refused = recordsOf(t, 'credential.refused').at(-1);
  assert.equal(String(refused?.principal?.name), 'deploy');
});
