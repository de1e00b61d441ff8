import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { clientProof, proofFits, scramKeys, scramSalt, serverSignature } from './scram.ts';

test('the example of RFC 7677 comes out, on both sides', async () => {
  const keys = await scramKeys('pencil', Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'), 4096);
  const nonce = 'rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';
  const exchange = `n=user,r=rOprNGfwEbeRWgbNEkqO,r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=${nonce}`;
  const proof = clientProof(keys, exchange);
  assert.equal(proof.toString('base64'), 'dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=');
  assert.equal(
    serverSignature(keys, exchange).toString('base64'),
    '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
  );
  assert.ok(proofFits(keys, exchange, proof));
  assert.ok(!proofFits(keys, `${exchange} `, proof));
});

test('a signature is HMAC-SHA-256, whatever the length of the key and the text', () => {
  const key = fc.uint8Array({ maxLength: 130 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(key, fc.string({ unit: 'binary' }), (serverKey, text) => {
      const expected = createHmac('sha256', serverKey).update(text).digest();
      assert.deepEqual(serverSignature({ storedKey: serverKey, serverKey }, text), expected);
      const salt = createHmac('sha256', serverKey).update(`scram-salt\n${text}`).digest().subarray(0, 16);
      assert.deepEqual(scramSalt(serverKey, text), salt);
    }),
  );
});
