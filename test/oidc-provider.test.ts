/** Tokens of a real OpenID provider, not of one made for these tests: its ID tokens prove, its access tokens do not. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { testControl } from '../src/access/control.fixture.ts';
import { TOKEN_TYPES } from '../src/identity/proof.ts';
import { makeServerCertificate } from './support/certificates.ts';
import { HeadlessBrowser, OidcProvider } from './support/oidc.ts';

const BACK = 'https://localhost:1/back';
const SECRET = 'client-secret-of-the-test';

test('ID tokens of a real provider prove whom they are bound to, once; its access tokens prove nobody', async (context) => {
  const tls = await makeServerCertificate();
  const provider = await OidcProvider.start(tls, [BACK], {
    clients: [
      {
        ...{ client_id: 'postern', client_secret: SECRET, redirect_uris: [BACK] },
        grant_types: ['authorization_code', 'client_credentials'],
        token_endpoint_auth_method: 'client_secret_post',
      },
    ],
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'urn:bank:ledger',
        getResourceServerInfo: () => ({
          ...{ scope: 'ledger', audience: 'postern', accessTokenFormat: 'jwt', accessTokenTTL: 300 },
        }),
      },
    },
  });
  context.after(() => provider.stop());
  provider.accounts.set('job-1', {});
  const browser = new HeadlessBrowser(tls.caPem);
  const client = { client_id: 'postern', client_secret: SECRET };

  async function idToken(): Promise<string> {
    const verifier = randomBytes(32).toString('base64url');
    const query = new URLSearchParams({
      ...{ client_id: 'postern', response_type: 'code', scope: 'openid', redirect_uri: BACK },
      ...{ code_challenge: createHash('sha256').update(verifier).digest('base64url') },
      ...{ code_challenge_method: 'S256', nonce: randomBytes(8).toString('hex') },
    });
    const page = await browser.go(
      `${provider.issuer}/auth?${query}`,
      'job-1',
      /^https:\/\/localhost:1\/back/,
    );
    const code = new URL(page.url).searchParams.get('code') ?? '';
    const form = {
      grant_type: 'authorization_code',
      code,
      redirect_uri: BACK,
      code_verifier: verifier,
      ...client,
    };
    const answer = await browser.step(`${provider.issuer}/token`, form);
    assert.equal(answer.status, 200, answer.text);
    return (JSON.parse(answer.text) as { id_token: string }).id_token;
  }

  const { control, actor, admin } = await testControl(context);
  const backup = await control.persons.create(actor, {
    name: 'Bo',
    email: 'bo@example.org',
    roles: ['owner'],
  });
  await control.principals.create(actor, {
    ...{ name: 'nightly', kind: 'workload', owner: admin.id, backupOwner: backup.id },
    ...{ purpose: 'Pays interest', environment: 'production' },
  });
  const input = { principal: 'nightly', kind: 'oidc', audience: 'postern', issuer: provider.issuer } as const;
  await assert.rejects(control.bindings.create(actor, { ...input, claims: { sub: 'job-1' } }), /certificate/);
  const keys = { ca: tls.caPem };
  const binding = await control.bindings.create(actor, { ...input, keys, claims: { sub: 'job-1' } });
  const prove = control.provers.get(TOKEN_TYPES.idToken);
  assert.ok(prove);
  const shown = (token: string) => prove({ type: TOKEN_TYPES.idToken, token, source: '192.0.2.1' });

  const token = await idToken();
  const proof = await shown(token);
  assert.equal(proof.binding, binding.id);
  assert.equal(proof.subject, 'job-1');
  await assert.rejects(shown(token), /was exchanged before/);
  await shown(await idToken());

  const answer = await browser.step(`${provider.issuer}/token`, {
    ...{ grant_type: 'client_credentials', scope: 'ledger', resource: 'urn:bank:ledger' },
    ...client,
  });
  assert.equal(answer.status, 200, answer.text);
  const { access_token: access } = JSON.parse(answer.text) as { access_token: string };
  const header = JSON.parse(Buffer.from(access.split('.')[0] ?? '', 'base64url').toString()) as {
    typ: string;
  };
  assert.equal(header.typ, 'at+jwt');
  await assert.rejects(shown(access), /of a type that proves nobody/);
});
