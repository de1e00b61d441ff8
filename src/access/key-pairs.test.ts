import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { type KeyClient, makeKeyClient } from '../identity/own-key.fixture.ts';
import { TOKEN_TYPES } from '../identity/proof.ts';
import { testControl } from './control.fixture.ts';

const AUDIENCE = 'https://postern.bank.example';
const REFUSED = { code: 'POSTERN_UNAUTHORIZED' };

async function bank(context: TestContext) {
  const t = await testControl(context, { issuer: () => AUDIENCE });
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
  const prover = control.provers.get(TOKEN_TYPES.keyAssertion);
  assert.ok(prover);
  const prove = (token: string) => prover({ type: TOKEN_TYPES.keyAssertion, token, source: '192.0.2.1' });
  const { keyPairs } = control;
  const enrol = async (client: KeyClient, principal = 'job') => {
    const { token } = await keyPairs.invite(actor, { principal });
    return keyPairs.join(token, client.jwk, client.joining(token));
  };
  return { ...t, keyPairs, prove, enrol };
}

describe('a join token', () => {
  it('enrols one key, once, of whoever holds that key', async (context) => {
    const { keyPairs, actor, sink, control } = await bank(context);
    const client = makeKeyClient(AUDIENCE);
    const thief = makeKeyClient(AUDIENCE);
    const { token, binding } = await keyPairs.invite(actor, { principal: 'job' });
    assert.equal(binding.status, 'requested');
    const join = (proof: string, { jwk } = client, with_ = token) => keyPairs.join(with_, jwk, proof);
    await assert.rejects(join(thief.joining(token)), REFUSED, 'signed with another key');
    await assert.rejects(join(client.joining('pjt_other')), REFUSED, 'for another token');
    await assert.rejects(join(client.joining(token), thief), REFUSED, 'another key than the one that signed');
    await assert.rejects(join(client.joining(token, {}, { typ: 'JWT' })), REFUSED);
    await assert.rejects(join(client.joining(token, { aud: 'https://else.example' })), REFUSED);
    await assert.rejects(join(client.joining(token, { exp: 1 })), REFUSED);
    await assert.rejects(
      join(client.joining('pjt_x'), client, 'pjt_x'),
      /not valid: it is used, over, or none/,
    );
    const joined = await join(client.joining(token));
    assert.equal(joined.status, 'active');
    assert.equal(joined.kind === 'key' && joined.thumbprint, client.thumbprint);
    const second = makeKeyClient(AUDIENCE);
    await assert.rejects(keyPairs.join(token, second.jwk, second.joining(token)), REFUSED);
    const record = sink.changes().find(({ type }) => type === 'binding.joined');
    assert.equal(record?.actor.kind, 'principal');
    assert.ok(!JSON.stringify(sink.changes()).includes(token));
    await control.bindings.remove(actor, joined.id, 'over');
    const again = await keyPairs.invite(actor, { principal: 'other' });
    await assert.rejects(
      keyPairs.join(again.token, client.jwk, client.joining(again.token)),
      /is or was enrolled/,
    );
  });

  it('is over after its time, when it is taken back, and for a principal that is not active', async (context) => {
    const { keyPairs, actor, control } = await bank(context);
    const client = makeKeyClient(AUDIENCE, 'ec');
    const short = await keyPairs.invite(actor, { principal: 'job', ttlSeconds: 1 });
    await new Promise((resolve) => setTimeout(resolve, 1050));
    await assert.rejects(keyPairs.join(short.token, client.jwk, client.joining(short.token)), REFUSED);
    assert.equal(await control.staticSecrets.expire(), 1);
    const back = await keyPairs.invite(actor, { principal: 'job' });
    await control.bindings.remove(actor, back.binding.id, 'a mistake');
    await assert.rejects(keyPairs.join(back.token, client.jwk, client.joining(back.token)), REFUSED);
    const { token } = await keyPairs.invite(actor, { principal: 'job' });
    await control.principals.suspend(actor, 'job', 'why');
    await assert.rejects(keyPairs.join(token, client.jwk, client.joining(token)), /is suspended/);
    assert.throws(() => keyPairs.invite(actor, { principal: 'job', ttlSeconds: 86_401 }), /1 to 86400/);
    const { d: _, ...open } = client.key.export({ format: 'jwk' });
    for (const jwk of [{ ...open, d: 'x' }, { kty: 'RSA', n: 'x', e: 'AQAB' }, { ...open, crv: 'P-384' }, {}])
      await assert.rejects(keyPairs.join(token, jwk as Record<string, string>, 'x'), {
        code: 'POSTERN_INVALID',
      });
  });
});

describe('an assertion', () => {
  it('proves the principal of its key, once, for this Postern alone', async (context) => {
    const { prove, enrol } = await bank(context);
    const client = makeKeyClient(AUDIENCE);
    const binding = await enrol(client);
    const good = client.assertion('job', 1);
    const proof = await prove(good);
    assert.equal(proof.principal.name, 'job');
    assert.equal(proof.binding, binding.id);
    assert.equal(proof.confirmation?.jkt, client.thumbprint);
    await assert.rejects(prove(good), /taken once/);
    const now = Math.floor(Date.now() / 1000);
    for (const [over, header, why] of [
      [{ aud: 'https://else.example' }, {}, /not for/],
      [{ aud: [AUDIENCE, 'https://else.example'] }, {}, /not for/],
      [{ exp: now - 1 }, {}, /is over/],
      [{ exp: now + 301, iat: now }, {}, /more than 300/],
      [{ iat: now + 120, exp: now + 200 }, {}, /not valid yet/],
      [{ jti: undefined }, {}, /no name of its own/],
      [{ seq: undefined }, {}, /no number/],
      [{ seq: 1.5 }, {}, /no number/],
      [{ sub: 'other' }, {}, /does not fit the key/],
      [{ iss: 'other', sub: 'other' }, {}, /does not fit the key/],
      [{ iss: 'nobody', sub: 'nobody' }, {}, /does not fit the key/],
      [{}, { typ: 'postern-rotate+jwt' }, /another type/],
      [{}, { typ: 'postern-join+jwt' }, /another type/],
      [{}, { kid: 'x' }, /does not fit the key/],
      [{}, { alg: 'ES256' }, /does not fit the key/],
      [{}, { alg: 'none' }, /signed in a way/],
      [{}, { jwk: client.jwk, kid: 'y' }, /does not fit the key/],
    ] as const)
      await assert.rejects(prove(client.assertion('job', 2, over, header)), why);
    await assert.rejects(
      prove(makeKeyClient(AUDIENCE).assertion('job', 2, {}, { kid: client.thumbprint })),
      /does not fit/,
    );
    assert.equal(
      (await prove(client.assertion('job', 2))).principal.name,
      'job',
      'none of these used anything up',
    );
  });

  it('with a number that was passed locks the key, whichever of two holders comes second', async (context) => {
    const { prove, enrol, control, sink, actor } = await bank(context);
    const original = makeKeyClient(AUDIENCE);
    const binding = await enrol(original);
    await prove(original.assertion('job', 1));
    // A copy goes on from where the original was; the original goes on too.
    await prove(original.assertion('job', 2));
    await assert.rejects(prove(original.assertion('job', 2)), /in two hands/);
    const locked = await control.bindings.get(binding.id);
    assert.equal(locked.status, 'locked');
    assert.equal(sink.changes().findLast(({ type }) => type === 'binding.locked')?.change.id, binding.id);
    await assert.rejects(prove(original.assertion('job', 1000)), /is locked/);
    await assert.rejects(
      control.keyPairs.rotate(
        original.signed(
          { iss: 'job', sub: 'job', seq: 1001 },
          { typ: 'postern-rotate+jwt', kid: original.thumbprint },
        ),
        makeKeyClient(AUDIENCE).jwk,
        'x',
      ),
      REFUSED,
    );
    await control.bindings.remove(actor, binding.id, 'copied');
    assert.equal((await enrol(makeKeyClient(AUDIENCE))).status, 'active');
  });

  it('may leave numbers out: an answer that was lost locks nothing', async (context) => {
    const { prove, enrol } = await bank(context);
    const client = makeKeyClient(AUDIENCE, 'ec');
    await enrol(client);
    for (const seq of [1, 5, 6, 1_000_000]) await prove(client.assertion('job', seq));
  });
});

describe('a rotation', () => {
  it('is signed by the old key and by the new one, and ends the old one at once', async (context) => {
    const { prove, enrol, keyPairs, sink } = await bank(context);
    const old = makeKeyClient(AUDIENCE);
    const next = makeKeyClient(AUDIENCE, 'ec');
    const stranger = makeKeyClient(AUDIENCE);
    await enrol(old);
    const rotation = (seq: number, jkt: string, header: object = {}): string =>
      old.signed(
        { iss: 'job', sub: 'job', seq, cnf: { jkt } },
        { typ: 'postern-rotate+jwt', kid: old.thumbprint, ...header },
      );
    const plain = rotation(1, next.thumbprint, { typ: 'JWT' });
    await assert.rejects(keyPairs.rotate(plain, next.jwk, next.joining(plain)), /another type/);
    const wrong = rotation(2, stranger.thumbprint);
    await assert.rejects(keyPairs.rotate(wrong, next.jwk, next.joining(wrong)), /another new key/);
    const unheld = rotation(3, stranger.thumbprint);
    await assert.rejects(keyPairs.rotate(unheld, stranger.jwk, next.joining(unheld)), REFUSED);
    const good = rotation(4, next.thumbprint);
    await assert.rejects(keyPairs.rotate(good, next.jwk, next.joining('else')), REFUSED);
    const rotated = await keyPairs.rotate(good, next.jwk, next.joining(good));
    assert.equal(rotated.kind === 'key' && rotated.generation, 2);
    await assert.rejects(keyPairs.rotate(good, next.jwk, next.joining(good)), REFUSED);
    await assert.rejects(prove(old.assertion('job', 9)), /does not fit the key/);
    assert.equal((await prove(next.assertion('job', 5))).claims.generation, '2');
    const back = next.signed(
      { iss: 'job', sub: 'job', seq: 6, cnf: { jkt: old.thumbprint } },
      { typ: 'postern-rotate+jwt', kid: next.thumbprint },
    );
    const record = sink.changes().findLast(({ type }) => type === 'binding.rotated');
    assert.ok(record);
    assert.equal((record.change.before as { thumbprint: string }).thumbprint, old.thumbprint);
    await assert.rejects(keyPairs.rotate(back, old.jwk, old.joining(back)), /is or was enrolled/);
  });
});
