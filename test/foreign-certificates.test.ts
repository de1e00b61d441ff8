/** Certificates of other authorities, and SVIDs, at the PostgreSQL door: what proves a principal, what does not, and how it ends. */
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import * as x509 from '@peculiar/x509';
import { bundleOf, type Made, makeAuthority, makeCertificate } from '../src/core/certificates.fixture.ts';
import { startup } from '../src/protocols/postgres/wire.ts';
import { Bank } from './support/bank.ts';
import { run, until } from './support/processes.ts';
import { WireClient } from './support/wire-client.ts';

const JOB = { type: 'url', value: 'spiffe://bank.example/ns/ledger/sa/job' } as const;

describe('a certificate of another authority', () => {
  let bank: Bank;
  let root: Made;
  let middle: Made;
  let domain: Made;
  before(async () => {
    bank = await Bank.start();
    root = await makeAuthority({ name: 'CN=Bank Root' });
    middle = await makeAuthority({ by: root, name: 'CN=Bank Issuing' });
    domain = await makeAuthority({ name: 'CN=SPIRE' });
    await bank.identity('job', 'select on ledger.*');
    await bank.identity('other', 'select on ledger.*');
    await trust('x509', { name: 'bank-pki', keys: root.pem });
    await trust('spiffe', { name: 'bank.example', keys: JSON.stringify(bundleOf([domain])) });
  });
  after(() => bank?.stop());

  const trust = (kind: string, body: object) => bank.postern.call('POST', `/v1/trust/${kind}`, body);
  const bind = (
    principal: string,
    { kind, ...body }: Readonly<Record<string, string>>,
  ): Promise<{ id: string }> =>
    bank.postern.call('POST', `/v1/principals/${principal}/bindings/${kind}`, body);
  const remove = (id: string) => bank.postern.call('POST', `/v1/bindings/${id}/remove`, { reason: 'over' });

  const open = async ({ pem, keyPem }: Made, chain: readonly Made[], user: string) => {
    const { host, port } = bank.postern.postgres;
    const cert = [pem, ...chain.map((each) => each.pem)].join('');
    const client = await WireClient.open({ host, port, ca: bank.postern.caPem, tls: { cert, key: keyPem } });
    client.send(
      startup([
        ['user', user],
        ['database', 'ledger-db'],
      ]),
    );
    await client.until((heard) => /[ZE]/.test(heard.at(-1)?.type ?? ''));
    return client;
  };
  const knock = async (made: Made, chain: readonly Made[] = [], user = 'job'): Promise<string> => {
    const client = await open(made, chain, user);
    const said = client.error.size === 0 ? 'let in' : `${client.error.get('C')} ${client.error.get('M')}`;
    client.socket.destroy();
    return said;
  };

  it('proves the principal that is bound to a name in it, over what the client sends beside', async (context) => {
    const bound = await bind('job', {
      kind: 'certificate',
      trust: 'bank-pki',
      by: 'subject',
      value: 'CN=job,O=Bank',
    });
    const good = await makeCertificate({ by: middle, name: 'O=Bank, CN=job' });
    assert.equal(await knock(good, [middle]), 'let in');
    assert.match(await knock(good), /proves nothing: it was not issued by an authority that is trusted here/);
    assert.match(await knock(good, [middle], 'other'), /not one that this principal is bound to/);
    assert.match(await knock(good, [middle], 'nobody'), /not one that this principal is bound to/);
    const dir = mkdtempSync(join(tmpdir(), 'postern-foreign-'));
    context.after(() => rmSync(dir, { recursive: true, force: true }));
    writeFileSync(join(dir, 'c'), good.pem + middle.pem);
    writeFileSync(join(dir, 'k'), good.keyPem, { mode: 0o600 });
    const env = bank.env({ username: 'job', password: '', grant: '', credential: '' });
    const psql = await run('psql', ['-X', '-At', '-c', 'select 42'], {
      env: { ...env, PGSSLCERT: join(dir, 'c'), PGSSLKEY: join(dir, 'k'), PGSSLCERTMODE: 'require' },
    });
    assert.equal(psql.stdout, '42\n', psql.stderr);
    for (const name of ['CN=Job, O=Bank', 'O=Bank, CN=job, OU=x', 'CN=job', 'CN=job + O=Bank'])
      assert.match(
        await knock(await makeCertificate({ by: middle, name }), [middle]),
        /28P01.*not one that/,
        name,
      );
    const server = { by: middle, name: 'O=Bank, CN=job', clientAuth: false };
    assert.match(await knock(await makeCertificate(server), [middle]), /not one that/);
    const spare = await makeAuthority({ name: 'CN=Bank Root' });
    assert.match(await knock(await makeCertificate({ by: spare, name: 'O=Bank, CN=job' })), /was not issued/);
    assert.match(await knock(await makeCertificate({ by: domain, name: 'O=Bank, CN=job' })), /not one that/);
    await remove(bound.id);
  });

  it('ends its sessions with the binding, and with the authority', async () => {
    const bound = await bind('job', {
      kind: 'certificate',
      trust: 'bank-pki',
      by: 'dns',
      value: 'Job.example',
    });
    const made = await makeCertificate({ by: root, names: [{ type: 'dns', value: 'JOB.example' }] });
    const client = await open(made, [], 'job');
    await remove(bound.id);
    await until(async () => client.closed, 'the session is closed', 1000);
    assert.match(client.error.get('M') ?? '', /credential was revoked/);
    assert.match(await knock(made), /28000.*was revoked|28P01/);
    await trust('x509', { name: 'short', keys: middle.pem });
    await bind('job', { kind: 'certificate', trust: 'short', by: 'email', value: 'a@b.example' });
    const mail = await makeCertificate({ by: middle, names: [{ type: 'email', value: 'a@b.example' }] });
    const second = await open(mail, [], 'job');
    assert.equal(second.error.size, 0);
    await bank.postern.call('POST', '/v1/trust/x509/short/remove', { reason: 'over' });
    await until(async () => second.closed, 'the session is closed', 1000);
    assert.match(await knock(mail), /28/);
    const { items } = await bank.postern.call<{ items: object[] }>('GET', '/v1/principals/job/bindings');
    assert.deepEqual(items, []);
  });

  it('needs no authority where it is bound itself, or its key', async () => {
    const own = await makeCertificate({ name: 'CN=self' });
    const print = createHash('sha256').update(own.der).digest('hex');
    const colons = (print.toUpperCase().match(/../g) ?? []).join(':');
    const one = await bind('job', { kind: 'certificate', by: 'certificate', value: colons });
    assert.equal(await knock(own), 'let in');
    assert.match(await knock(await makeCertificate({ name: 'CN=self' })), /was not issued/);
    await remove(one.id);
    const key = Buffer.from(own.issuer.certificate.publicKey.rawData);
    const two = await bind('job', {
      ...{ kind: 'certificate', by: 'public_key' },
      value: createHash('sha256').update(key).digest('hex'),
    });
    assert.equal(await knock(own), 'let in');
    await remove(two.id);
    const over = await makeCertificate({ name: 'CN=over', from: -7_200_000, until: -60_000 });
    const value = createHash('sha256').update(over.der).digest('hex');
    await bind('job', { kind: 'certificate', by: 'certificate', value });
    assert.match(await knock(over), /expired at/);
  });

  it('is an SVID where it says so and its trust domain vouches for it, and no other does', async () => {
    const bound = await bind('job', { kind: 'spiffe', spiffeId: JOB.value });
    const good = await makeCertificate({ by: domain, names: [JOB] });
    assert.equal(await knock(good), 'let in');
    assert.match(await knock(good, [], 'other'), /not one that this principal is bound to/);
    for (const [shape, why] of [
      [{ by: root, names: [JOB] }, /not one that/],
      [{ by: domain, names: [{ ...JOB, value: `${JOB.value}2` }] }, /not one that/],
      [{ by: domain, names: [JOB, { ...JOB, value: 'https://a.example' }] }, /not one that/],
      [{ by: domain, names: [JOB], usage: 0 }, /not one that/],
      [{ by: domain, names: [JOB], until: -1000, from: -5000 }, /expired/],
      [{ by: domain, names: [JOB], ca: true }, /one of an authority/],
      [{ by: domain, names: [JOB], usage: x509.KeyUsageFlags.keyCertSign }, /not for signing/],
    ] as const)
      assert.match(await knock(await makeCertificate(shape)), why);
    // The domain rotates: first both roots, then the new one alone.
    const next = await makeAuthority({ name: 'CN=SPIRE' });
    const update = (roots: readonly Made[]) =>
      bank.postern.call('POST', '/v1/trust/spiffe/bank.example/update', {
        ...{ keys: JSON.stringify(bundleOf(roots)), reason: 'rotation' },
      });
    const fresh = await makeCertificate({ by: next, names: [JOB] });
    assert.match(await knock(fresh), /was not issued/);
    await update([domain, next]);
    assert.equal(await knock(fresh), 'let in');
    assert.equal(await knock(good), 'let in');
    await update([next]);
    assert.equal(await knock(fresh), 'let in');
    assert.match(await knock(good), /was not issued/);
    await remove(bound.id);
    assert.match(await knock(fresh), /28/);
  });

  it('is told in the record of the session, and a JWT-SVID of the domain opens one too', async () => {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = { ...pair.publicKey.export({ format: 'jwk' }), use: 'jwt-svid', kid: 'a' };
    const root2 = await makeAuthority({ name: 'CN=Two' });
    const bundle = bundleOf([root2]) as { keys: object[] };
    await trust('spiffe', { name: 'two.example', keys: JSON.stringify({ keys: [...bundle.keys, jwk] }) });
    const spiffeId = 'spiffe://two.example/job';
    const bound = await bind('job', { kind: 'spiffe', spiffeId, audience: 'postern' });
    assert.equal(
      await knock(await makeCertificate({ by: root2, names: [{ ...JOB, value: spiffeId }] })),
      'let in',
    );
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const svid = (claims: object = {}): string => {
      const said = { sub: spiffeId, aud: 'postern', exp: Math.floor(Date.now() / 1000) + 60, ...claims };
      const signed = `${part({ alg: 'ES256', kid: 'a' })}.${part(said)}`;
      const key = { key: pair.privateKey, dsaEncoding: 'ieee-p1363' as const };
      return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
    };
    const login = (password: string) =>
      bank.connect({ username: 'job', password, grant: '', credential: '' });
    const client = await login(svid());
    assert.deepEqual((await client.query('select 42 as n')).rows, [{ n: 42 }]);
    await assert.rejects(login(svid({ aud: 'other' })), /another audience/);
    await assert.rejects(login(svid({ sub: `${spiffeId}2` })), /not bound to/);
    const { items } = await bank.postern.call<{ items: { id: string; type: string }[] }>(
      'GET',
      '/v1/activity?principal=job&type=session&limit=100',
    );
    const opened = items.filter(({ type }) => type === 'session.opened').slice(0, 2);
    const proofs = await Promise.all(
      opened.map(async ({ id }) => {
        const { record } = await bank.postern.call<{
          record: { proof?: { subject: string; issuer: string } };
        }>('GET', `/v1/activity/${id}`);
        return [record.proof?.subject, record.proof?.issuer];
      }),
    );
    assert.deepEqual(
      new Set(proofs.map((each) => each.join(' '))),
      new Set([`${spiffeId} spiffe://two.example`, `${spiffeId} CN=Two`]),
    );
    await remove(bound.id);
    await until(async () => client.lost.length > 0, 'the session ends', 1000);
  });

  it('is not bound twice, with wildcards, or to an authority that is not known', async () => {
    const made = await bind('job', { kind: 'spiffe', spiffeId: 'spiffe://bank.example/a' });
    for (const [body, why] of [
      [{ kind: 'spiffe', spiffeId: 'spiffe://bank.example/a' }, /could fit this binding and/],
      [{ kind: 'spiffe', spiffeId: 'spiffe://bank.example/*' }, /no SPIFFE ID/],
      [{ kind: 'spiffe', spiffeId: 'spiffe://else.example/a' }, /no trust domain/],
      [{ kind: 'spiffe', spiffeId: 'spiffe://bank.example/b', issuer: 'https://x' }, /additional properties/],
      [{ kind: 'certificate', trust: 'none', by: 'dns', value: 'a' }, /no client CA/],
      [{ kind: 'certificate', trust: 'bank-pki', by: 'dns', value: '*.example' }, /no wildcards/],
      [{ kind: 'certificate', by: 'dns', value: 'a.example' }, /says nothing without the client CA/],
      [{ kind: 'certificate', by: 'certificate', value: 'abc' }, /SHA-256 in hexadecimal/],
      [{ kind: 'certificate', trust: 'bank-pki', by: 'uri', value: 'spiffe://a/b' }, /bound as such/],
      [{ kind: 'certificate', by: 'dns' }, /required property/],
    ] as const)
      await assert.rejects(bind('other', body), why);
    await remove(made.id);
    for (const [kind, body, why] of [
      ['x509', { name: 'bank-pki', keys: root.pem }, /is a client CA bank-pki already/],
      ['x509', { name: 'b', keys: root.pem }, /cannot be the name/],
      ['x509', { name: 'bank-2', keys: 'x' }, /certificates in PEM/],
      ['x509', { name: 'bank-2', keys: root.pem + root.keyPem }, /private key/],
      ['x509', { name: 'bank-2', keys: (await makeCertificate({})).pem }, /not of an authority/],
      ['x509', { name: 'bank-2', url: 'https://a.example' }, /are given, not fetched/],
      ['spiffe', { name: 'spiffe://a', keys: '{}' }, /no trust domain/],
      ['spiffe', { name: 'a.example', keys: '{"keys":[]}' }, /no SPIFFE bundle/],
      ['spiffe', { name: 'a.example', url: 'http://a.example' }, /https URL/],
      ['spiffe', { name: 'a.example', url: 'https://localhost:1/' }, /cannot be used/],
    ] as const)
      await assert.rejects(trust(kind, body), why);
  });
});
