/**
 * TokenReview against a Kubernetes API server. None can run here: a server on 127.0.0.1 over https takes its place, with the requests
 * and answers of the real one.
 */
import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { testControl } from '../src/access/control.fixture.ts';
import type { KubernetesInput } from '../src/identity/platforms.ts';
import { TOKEN_TYPES } from '../src/identity/proof.ts';
import { makeServerCertificate } from './support/certificates.ts';

const AUDIENCE = 'https://postern.bank.example';
const UID = '0b8c1d1e-6a52-4a5c-9f0e-6f4f0d1c2b3a';
const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

function token(over: object = {}, uid = UID): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    aud: [AUDIENCE],
    exp: now + 3607,
    iat: now,
    iss: 'https://kubernetes.default.svc.cluster.local',
    jti: 'c1d2e3f4-0000-4000-8000-000000000000',
    'kubernetes.io': {
      namespace: 'ledger',
      pod: { name: 'nightly-28-x7', uid: '1b8c1d1e-6a52-4a5c-9f0e-6f4f0d1c2b3a' },
      serviceaccount: { name: 'nightly', uid },
    },
    nbf: now,
    sub: 'system:serviceaccount:ledger:nightly',
    ...over,
  };
  const signed = `${part({ alg: 'ES256', kid: 'k' })}.${part(claims)}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

const user = (over: object = {}): object => ({
  username: 'system:serviceaccount:ledger:nightly',
  uid: UID,
  groups: ['system:serviceaccounts', 'system:serviceaccounts:ledger', 'system:authenticated'],
  extra: {
    'authentication.kubernetes.io/pod-name': ['nightly-28-x7'],
    'authentication.kubernetes.io/pod-uid': ['1b8c1d1e-6a52-4a5c-9f0e-6f4f0d1c2b3a'],
    'authentication.kubernetes.io/node-name': ['node-1'],
    'example.com/secret-thing': ['not to be kept'],
  },
  ...over,
});

interface Review {
  readonly spec: { readonly token: string; readonly audiences: readonly string[] };
}

describe('the proof by TokenReview', () => {
  let dir: string;
  let server: Server;
  let caPem: string;
  const reviews: Review[] = [];
  let status: (review: Review) => object = () => ({
    authenticated: true,
    user: user(),
    audiences: [AUDIENCE],
  });
  let code = 201;
  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'postern-review-'));
    writeFileSync(join(dir, 'token'), 'own-token-1\n', { mode: 0o600 });
    const tls = await makeServerCertificate();
    caPem = tls.caPem;
    server = createServer({ cert: tls.certPem, key: tls.keyPem }, (request, response) => {
      let body = '';
      request.on('data', (part) => {
        body += part;
      });
      request.on('end', () => {
        assert.equal(request.method, 'POST');
        assert.equal(request.url, '/apis/authentication.k8s.io/v1/tokenreviews');
        if (request.headers.authorization !== 'Bearer own-token-2') {
          response.writeHead(401).end('{}');
          return;
        }
        const review = JSON.parse(body) as Review;
        reviews.push(review);
        const kind = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview' };
        response.writeHead(code, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ ...kind, metadata: {}, ...review, status: status(review) }));
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  after(() => {
    server.close();
    server.closeAllConnections();
    rmSync(dir, { recursive: true, force: true });
  });

  async function bound(context: TestContext) {
    const { port } = server.address() as { port: number };
    const cluster = {
      name: 'prod',
      server: `https://localhost:${port}`,
      ca: caPem,
      tokenFile: join(dir, 'token'),
    };
    const made = await testControl(context, { platforms: { clusters: [cluster] } });
    const { control, actor, admin } = made;
    const backup = await control.persons.create(actor, {
      name: 'Bo',
      email: 'bo@example.org',
      roles: ['owner'],
    });
    for (const name of ['nightly', 'second'])
      await control.principals.create(actor, {
        ...{ name, kind: 'workload', owner: admin.id, backupOwner: backup.id },
        ...{ purpose: 'Pays interest', environment: 'production' },
      });
    const input: KubernetesInput = {
      kind: 'kubernetes',
      cluster: 'prod',
      namespace: 'ledger',
      serviceAccount: 'nightly',
      uid: UID,
      audience: AUDIENCE,
    };
    const binding = await control.platforms.bind(actor, 'nightly', input, 'runs in the cluster');
    const prover = control.provers.get(TOKEN_TYPES.kubernetesReview);
    assert.ok(prover);
    const prove = (text: string) =>
      prover({ type: TOKEN_TYPES.kubernetesReview, token: text, source: '192.0.2.1' });
    return { ...made, input, binding, prove };
  }

  it('names the principal of the service account, by a token of its own that is read anew each time', async (context) => {
    const { prove, binding } = await bound(context);
    await assert.rejects(prove(token()), /does not answer/, 'its own token is not taken any more');
    writeFileSync(join(dir, 'token'), 'own-token-2\n');
    const shown = token();
    const proof = await prove(shown);
    assert.equal(proof.binding, binding.id);
    assert.equal(proof.subject, 'system:serviceaccount:ledger:nightly');
    assert.deepEqual(proof.claims, {
      ...{ namespace: 'ledger', service_account: 'nightly', uid: UID },
      ...{ pod_name: 'nightly-28-x7', pod_uid: '1b8c1d1e-6a52-4a5c-9f0e-6f4f0d1c2b3a', node_name: 'node-1' },
    });
    assert.deepEqual(reviews.at(-1)?.spec, { token: shown, audiences: [AUDIENCE] });
    await prove(shown);
  });

  it('is not there when the cluster says anything else', async (context) => {
    const { prove } = await bound(context);
    writeFileSync(join(dir, 'token'), 'own-token-2\n');
    const before = status;
    for (const answer of [
      { authenticated: false, error: 'the pod is gone' },
      { authenticated: true, user: user(), audiences: [AUDIENCE], error: 'something' },
      { authenticated: 'true', user: user(), audiences: [AUDIENCE] },
      { authenticated: true, user: user() },
      { authenticated: true, user: user(), audiences: ['https://kubernetes.default.svc'] },
      { authenticated: true, user: user({ uid: UID.replace('0', '1') }), audiences: [AUDIENCE] },
      {
        authenticated: true,
        user: user({ username: 'system:serviceaccount:other:nightly' }),
        audiences: [AUDIENCE],
      },
      { authenticated: true, user: user({ username: 'system:admin' }), audiences: [AUDIENCE] },
      { authenticated: true, audiences: [AUDIENCE] },
      {},
    ]) {
      status = () => answer;
      await assert.rejects(prove(token()), { code: 'POSTERN_UNAUTHORIZED' }, JSON.stringify(answer));
    }
    status = before;
    for (const bad of [403, 500, 302]) {
      code = bad;
      await assert.rejects(prove(token()), /does not answer/);
    }
    code = 201;
    await prove(token());
  });

  it('does not show a cluster what it need not see', async (context) => {
    const { prove } = await bound(context);
    writeFileSync(join(dir, 'token'), 'own-token-2\n');
    const before = reviews.length;
    const now = Math.floor(Date.now() / 1000);
    for (const strange of [
      'ey',
      token({}, UID.replace('0', '1')),
      token({ aud: ['https://kubernetes.default.svc'] }),
      token({ aud: [AUDIENCE, 'other'] }),
      token({ exp: now - 1 }),
      token({ exp: undefined }),
      token({ exp: now + 365 * 86_400 }),
      token({ nbf: now + 600 }),
      token({ 'kubernetes.io': { namespace: 'other', serviceaccount: { name: 'nightly', uid: UID } } }),
    ])
      await assert.rejects(prove(strange), { code: 'POSTERN_UNAUTHORIZED' });
    assert.equal(reviews.length, before);
  });

  it('is bound to clusters that the operator named, to one principal, and to this audience', async (context) => {
    const { control, actor, input } = await bound(context);
    const bind = (over: object) => control.platforms.bind(actor, 'second', { ...input, ...over }, undefined);
    await assert.rejects(bind({}), { code: 'POSTERN_CONFLICT' });
    for (const bad of [
      { cluster: 'other' },
      { namespace: '*' },
      { serviceAccount: 'night*' },
      { uid: 'nightly' },
      { audience: 'https://kubernetes.default.svc.cluster.local' },
      { audience: '*' },
    ])
      await assert.rejects(bind(bad), { code: 'POSTERN_INVALID' }, JSON.stringify(bad));
  });
});
