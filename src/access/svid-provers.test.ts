import 'reflect-metadata';
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { bundleOf, makeAuthority, makeCertificate } from '../core/certificates.fixture.ts';
import { TOKEN_TYPES } from '../identity/proof.ts';
import { testControl } from './control.fixture.ts';

async function bank(context: TestContext) {
  const t = await testControl(context);
  const { control, actor, admin } = t;
  const backup = await control.persons.create(actor, { name: 'B', email: 'b@example.org', roles: ['owner'] });
  for (const name of ['job', 'other'])
    await control.principals.create(actor, {
      ...{
        name,
        kind: 'workload',
        owner: admin.id,
        backupOwner: backup.id,
        purpose: 'x',
        environment: 'test',
      },
    });
  const root = await makeAuthority({ name: 'CN=Root' });
  await control.trusts.add(actor, { kind: 'x509', name: 'bank', keys: root.pem });
  const prove = control.provers.get(TOKEN_TYPES.clientCertificate);
  assert.ok(prove);
  const shown = (clientCertificate?: Buffer, clientChain?: readonly Buffer[]) =>
    prove({
      ...{ type: TOKEN_TYPES.clientCertificate, token: '', source: '192.0.2.1' },
      ...(clientCertificate && { clientCertificate }),
      ...(clientChain && { clientChain }),
    });
  const bind = (principal: string, by: 'dns' | 'subject', value: string) =>
    control.possession.bind(actor, principal, { kind: 'certificate', trust: 'bank', by, value }, 'why');
  return { ...t, root, shown, bind };
}

describe('a client certificate that is shown for a credential', () => {
  it('proves the one principal that is bound to it, and who holds its key', async (context) => {
    const { root, shown, bind, control, actor } = await bank(context);
    const bound = await bind('job', 'dns', 'job.example');
    const middle = await makeAuthority({ by: root, name: 'CN=Middle' });
    const made = await makeCertificate({ by: middle, names: [{ type: 'dns', value: 'job.example' }] });
    const proof = await shown(made.der, [middle.der]);
    assert.equal(proof.principal.name, 'job');
    assert.equal(proof.binding, bound.id);
    assert.equal(proof.issuer, 'bank');
    assert.equal(Buffer.from(proof.confirmation?.x5tS256 ?? '', 'base64url').toString('hex'), proof.sha256);
    assert.equal(proof.expiresAt, made.read().x509.validToDate.getTime());
    const refused = { code: 'POSTERN_UNAUTHORIZED' };
    await assert.rejects(shown(made.der), refused);
    await assert.rejects(shown(), refused);
    await assert.rejects(shown(Buffer.from('nothing')), refused);
    await assert.rejects(shown(made.der, [Buffer.from('nothing')]), refused);
    await control.bindings.remove(actor, bound.id, 'over');
    await assert.rejects(shown(made.der, [middle.der]), /nobody is bound to it/);
  });

  it('proves nobody where it fits bindings of two principals', async (context) => {
    const { root, shown, bind } = await bank(context);
    await bind('job', 'dns', 'job.example');
    await bind('other', 'subject', 'CN=both');
    const names = [{ type: 'dns', value: 'job.example' }] as const;
    const made = await makeCertificate({ by: root, name: 'CN=both', names });
    await assert.rejects(shown(made.der), /several principals/);
  });
});

describe('the bundle of a trust domain', () => {
  it('is fetched when it is added, and trusted as it was last fetched', async (context) => {
    const roots = [await makeAuthority({ name: 'CN=1' }), await makeAuthority({ name: 'CN=2' })];
    let answer = bundleOf([roots[0] as (typeof roots)[0]]);
    const { readBundle } = await import('../core/spiffe.ts');
    const { control, actor, deltas } = await testControl(context, {
      fetchBundle: async () => {
        const bundle = readBundle(answer);
        if (bundle === null) throw new Error('no bundle');
        return bundle;
      },
    });
    const url = 'https://spire.bank.example/bundle';
    const added = await control.trusts.add(actor, { kind: 'spiffe', name: 'bank.example', url });
    const known = (): number | undefined =>
      deltas.findLast((delta) => delta.trust)?.trust?.[0]?.certificates.length;
    assert.equal(known(), 1);
    assert.notEqual(control.bundleState(added)?.fetchedAt, null);
    answer = bundleOf(roots);
    await control.trusts.update(actor, 'spiffe', 'bank.example', { url }, 'again');
    assert.equal(known(), 2);
    answer = {};
    await assert.rejects(
      control.trusts.update(actor, 'spiffe', 'bank.example', { url }, 'again'),
      /no bundle/,
    );
    assert.equal((await control.snapshot()).trust?.[0]?.certificates.length, 2, 'the last good one');
    await control.trusts.remove(actor, 'spiffe', 'bank.example', 'over');
    assert.equal(known(), 0);
    assert.deepEqual((await control.snapshot()).trust, []);
  });
});
