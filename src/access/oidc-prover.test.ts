import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { describe, it } from 'node:test';
import { TOKEN_TYPES, tokenSha256 } from '../identity/proof.ts';
import { testControl } from './control.fixture.ts';

const ISSUER = 'https://issuer.example';
const pair = generateKeyPairSync('ed25519');
const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function token(claims: object, key = pair.privateKey): string {
  const now = Math.floor(Date.now() / 1000);
  const all = { iss: ISSUER, aud: 'postern', iat: now, exp: now + 60, ...claims };
  const signed = `${part({ alg: 'EdDSA' })}.${part(all)}`;
  return `${signed}.${sign(null, Buffer.from(signed), key).toString('base64url')}`;
}

describe('a token of an OIDC issuer that is shown', () => {
  it('proves the principal that is bound to what it says, and nothing else', async (context) => {
    const jwks = { keys: [pair.publicKey.export({ format: 'jwk' })] };
    const { control, actor, admin } = await testControl(context, {
      fetchIssuerKeys: async (issuer) => ({ issuer, jwks }),
    });
    await control.principals.create(actor, {
      name: 'deploy',
      kind: 'ci_runner',
      owner: admin.id,
      backupOwner: 'bea@example.org',
      purpose: 'Deploys',
      environment: 'production',
    });
    const binding = await control.bindings.create(actor, {
      principal: 'deploy',
      kind: 'oidc',
      issuer: ISSUER,
      audience: 'postern',
      claims: { repository_id: '74' },
    });
    const prove = control.provers.get(TOKEN_TYPES.jwt);
    assert.ok(prove);
    const shown = (text: string) => prove({ type: TOKEN_TYPES.jwt, token: text, source: '192.0.2.1' });
    const good = token({ repository_id: '74', sub: 'repo:a/b', jti: 'j-1' });
    const proof = await shown(good);
    assert.equal(proof.principal.name, 'deploy');
    assert.equal(proof.binding, binding.id);
    assert.equal(proof.issuer, ISSUER);
    assert.equal(proof.subject, 'repo:a/b');
    assert.equal(proof.jti, 'j-1');
    assert.equal(proof.sha256, tokenSha256(good));
    assert.ok((proof.expiresAt ?? 0) > Date.now());
    const refused = { code: 'POSTERN_UNAUTHORIZED' };
    await assert.rejects(shown(good), /was exchanged before/, 'a token is taken once');
    const unnamed = token({ repository_id: '74', exp: Math.floor(Date.now() / 1000) + 61 });
    await shown(unnamed);
    await assert.rejects(shown(unnamed), /was exchanged before/, 'also without an id of its own');
    await shown(token({ repository_id: '74', jti: 'j-2' }));
    await assert.rejects(shown(token({ repository_id: '75' })), refused);
    await assert.rejects(
      shown(token({ repository_id: '74' }, generateKeyPairSync('ed25519').privateKey)),
      refused,
    );
    await assert.rejects(shown('nothing'), refused);
    await control.bindings.remove(actor, binding.id, 'moved');
    await assert.rejects(shown(good), refused);
  });
});
