import 'reflect-metadata';
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as x509 from '@peculiar/x509';
import { bundleOf, makeAuthority, makeCertificate } from './certificates.fixture.ts';
import { parseSpiffeId, readBundle, svidId } from './spiffe.ts';

const { KeyUsageFlags: Usage } = x509;

describe('a SPIFFE ID', () => {
  it('has one form only', () => {
    assert.deepEqual(parseSpiffeId('spiffe://bank.example/ns/a/sa/b'), {
      trustDomain: 'bank.example',
      path: '/ns/a/sa/b',
    });
    assert.deepEqual(parseSpiffeId('spiffe://bank.example'), { trustDomain: 'bank.example', path: '' });
    assert.notEqual(parseSpiffeId(`spiffe://bank/${'a'.repeat(2034)}`), null);
    for (const wrong of [
      ...[
        '',
        'spiffe://',
        'spiffe:///a',
        'spiffe://bank/',
        'spiffe://bank//a',
        'spiffe://bank/a/',
        'Spiffe://bank/a',
      ],
      ...[
        'https://bank/a',
        'spiffe://Bank/a',
        'spiffe://bank:8/a',
        'spiffe://u@bank/a',
        'spiffe://bank/a?b',
        'spiffe://bank/a#b',
      ],
      ...[
        'spiffe://bank/./a',
        'spiffe://bank/../a',
        'spiffe://bank/%61',
        'spiffe://bank/ä',
        'spiffe://bank/*',
        'spiffe://bank/a b',
      ],
      ...[`spiffe://bank/${'a'.repeat(2035)}`, `spiffe://${'a'.repeat(256)}/a`, 'spiffe://bank/a\n'],
    ])
      assert.equal(parseSpiffeId(wrong), null, wrong);
  });
});

describe('an X.509-SVID', () => {
  const url = (value: string) => ({ type: 'url' as const, value });
  const ID = url('spiffe://bank.example/job');

  it('has exactly one URI, which is the ID of a workload, and a key that signs nothing but handshakes', async () => {
    const dns = { type: 'dns' as const, value: 'a.example' };
    const good = await makeCertificate({ names: [dns, ID] });
    assert.deepEqual(svidId(good.read()), { ok: true, id: ID.value, trustDomain: 'bank.example' });
    for (const [shape, why] of [
      [{ names: [ID, url('spiffe://bank.example/two')] }, /exactly one URI/],
      [{ names: [ID, url('https://a.example')] }, /exactly one URI/],
      [{ names: [] }, /exactly one URI/],
      [{ names: [url('spiffe://bank.example')] }, /no SPIFFE ID of a workload/],
      [{ names: [url('https://bank.example/job')] }, /no SPIFFE ID/],
      [{ names: [ID], usage: 0 }, /key usage/],
      [{ names: [ID], usage: Usage.keyAgreement }, /key usage/],
      [{ names: [ID], usage: Usage.digitalSignature | Usage.keyCertSign }, /may not sign/],
      [{ names: [ID], usage: Usage.digitalSignature | Usage.cRLSign }, /may not sign/],
      [
        {
          names: [ID],
          clientAuth: false,
          extensions: [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth])],
        },
        /not for clients/,
      ],
    ] as const) {
      const result = svidId((await makeCertificate(shape)).read());
      assert.ok(!result.ok && why.test(result.why), JSON.stringify(result));
    }
  });
});

describe('a trust bundle', () => {
  it('is read whole or not at all', async () => {
    const [one, two] = [await makeAuthority({ name: 'CN=1' }), await makeAuthority({ name: 'CN=2' })];
    const jwk = { kty: 'EC', use: 'jwt-svid', kid: 'a', crv: 'P-256', x: 'x', y: 'y' };
    const good = bundleOf([one, two], { spiffe_refresh_hint: 300, spiffe_sequence: 2 }) as { keys: object[] };
    const read = readBundle({ ...good, keys: [...good.keys, jwk, { use: 'of-tomorrow' }] });
    assert.equal(read?.x509.length, 2);
    assert.equal(read.jwks.length, 1);
    assert.equal(read.refreshHint, 300);
    for (const wrong of [
      ...[null, 7, [], {}, { keys: 7 }, { keys: [] }, { keys: [7] }, { keys: Array(65).fill(jwk) }],
      { keys: [...good.keys, { use: 'x509-svid', x5c: ['AAAA'] }] },
      { keys: [...good.keys, { use: 'x509-svid', x5c: [] }] },
      {
        keys: [
          ...good.keys,
          { use: 'x509-svid', x5c: [one.der.toString('base64'), two.der.toString('base64')] },
        ],
      },
      { keys: [...good.keys, { ...jwk, kid: undefined }] },
      { keys: [{ use: 'of-tomorrow' }] },
    ])
      assert.equal(readBundle(wrong), null, JSON.stringify(wrong)?.slice(0, 200));
  });
});
