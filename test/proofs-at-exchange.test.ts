/** Client certificates, key pairs and SSH keys at the token endpoint: real TLS, and a real login with what comes out. */
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { request } from 'node:https';
import { after, before, describe, it } from 'node:test';
import { type Made, makeAuthority, makeCertificate } from '../src/core/certificates.fixture.ts';
import { makeKeyClient } from '../src/identity/own-key.fixture.ts';
import { Bank } from './support/bank.ts';
import { until } from './support/processes.ts';

const PASSWORD = 'urn:postern:token-type:scram-password';
const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, string>>;
}

describe('a proof at the token endpoint', () => {
  let bank: Bank;
  before(async () => {
    bank = await Bank.start();
    await bank.identity('job', 'select on ledger.*');
  });
  after(() => bank?.stop());

  const exchange = (
    form: Record<string, string>,
    show?: { readonly of: Made; readonly chain: readonly Made[] },
  ) =>
    new Promise<Answer>((resolve, reject) => {
      const call = request(
        {
          ...{
            host: '127.0.0.1',
            port: bank.postern.api.port,
            path: '/v1/token',
            method: 'POST',
            agent: false,
          },
          ...{ ca: bank.postern.caPem, headers: { 'content-type': 'application/x-www-form-urlencoded' } },
          ...(show && { cert: [show.of, ...show.chain].map(({ pem }) => pem).join(''), key: show.of.keyPem }),
        },
        async (response) => {
          const parts: Buffer[] = [];
          for await (const part of response) parts.push(part as Buffer);
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(Buffer.concat(parts).toString()) });
        },
      );
      call.on('error', reject);
      call.end(new URLSearchParams({ requested_token_type: PASSWORD, ...form }).toString());
    });
  const login = ({ body }: Answer) =>
    bank.connect({ username: 'job', password: body.access_token ?? '', grant: '', credential: '' });

  it('is a client certificate, over what the client sends beside, and ends with its binding', async () => {
    const root = await makeAuthority({ name: 'CN=Root' });
    const middle = await makeAuthority({ by: root, name: 'CN=Middle' });
    const of = await makeCertificate({ by: middle, names: [{ type: 'dns', value: 'job.example' }] });
    await bank.postern.call('POST', '/v1/trust/x509', { name: 'pki', keys: root.pem });
    const bound = await bank.postern.call<{ id: string }>('POST', '/v1/principals/job/bindings/certificate', {
      ...{ trust: 'pki', by: 'dns', value: 'job.example' },
    });
    const form = { grant_type: 'client_credentials' };
    const made = await exchange(form, { of, chain: [middle] });
    assert.equal(made.status, 200, JSON.stringify(made.body));
    const client = await login(made);
    assert.deepEqual((await client.query('select 42 as n')).rows, [{ n: 42 }]);
    assert.equal((await exchange(form, { of, chain: [] })).body.error, 'invalid_client');
    assert.equal((await exchange(form)).body.error, 'invalid_client');
    const stranger = await makeCertificate({ names: [{ type: 'dns', value: 'job.example' }] });
    assert.equal((await exchange(form, { of: stranger, chain: [] })).body.error, 'invalid_client');
    await bank.postern.call('POST', `/v1/bindings/${bound.id}/remove`, { reason: 'over' });
    await until(async () => client.lost.length > 0, 'the session ends', 1000);
  });

  it('is an assertion of an enrolled key, whose second holder ends what the first one has', async () => {
    const { token } = await bank.postern.call<{ token: string }>(
      'POST',
      '/v1/principals/job/join-tokens',
      {},
    );
    const { audience } = await bank.postern.call<{ audience: string }>('GET', '/v1/join', undefined, '');
    const key = makeKeyClient(audience);
    const body = { token, jwk: key.jwk, proof: key.joining(token) };
    await bank.postern.call('POST', '/v1/join', body, '');
    await assert.rejects(bank.postern.call('POST', '/v1/join', body, ''), /not valid/);
    const shown = (client_assertion: string) =>
      exchange({ grant_type: 'client_credentials', client_assertion_type: ASSERTION, client_assertion });
    const first = key.assertion('job', 1);
    const made = await shown(first);
    assert.equal(made.status, 200, JSON.stringify(made.body));
    const client = await login(made);
    assert.equal((await shown(first)).body.error, 'invalid_client');
    await client.query('select 1');
    assert.equal((await shown(key.assertion('job', 1))).body.error, 'invalid_client');
    await until(async () => client.lost.length > 0, 'the session ends', 1000);
    const { items } = await bank.postern.call<{ items: { type: string }[] }>(
      'GET',
      '/v1/activity?principal=job&type=change&limit=100',
    );
    const types = new Set(items.map(({ type }) => type));
    for (const type of ['binding.joined', 'binding.locked', 'credential.revoked'])
      assert.ok(types.has(type), type);
  });
});
