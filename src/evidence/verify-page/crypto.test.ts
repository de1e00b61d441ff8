import assert from 'node:assert/strict';
import * as node from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import * as page from './crypto.ts';
import { sha256 } from './sha256.ts';

describe('the cryptography of the page does what that of Node does', () => {
  test('SHA-256 of every length around the block size, and of anything', () => {
    for (let length = 0; length <= 260; length++) {
      const data = Buffer.alloc(length, length);
      assert.equal(Buffer.from(sha256(data)).toString('hex'), node.hash('sha256', data));
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5000 }), (data) => {
        assert.equal(page.hash('sha256', data), node.hash('sha256', data));
        assert.equal(page.hash('sha256', data, 'binary'), node.hash('sha256', data, 'binary'));
        const sum = page.createHash('sha256').update(data).update('and more').digest('hex');
        assert.equal(sum, node.createHash('sha256').update(data).update('and more').digest('hex'));
      }),
    );
    assert.throws(() => page.hash('md5', 'x'));
  });

  test('a signature is wrong until it is verified, and then what it is', async () => {
    const { privateKey, publicKey } = node.generateKeyPairSync('ed25519');
    const x = String(publicKey.export({ format: 'jwk' }).x);
    const key = page.createPublicKey({ key: { crv: 'Ed25519', x } });
    const data = Buffer.from('signed');
    const right = node.sign(null, data, privateKey);
    const wrong = Buffer.from(right);
    wrong[10] = (wrong[10] ?? 0) ^ 1;
    assert.equal(page.verify(null, data, key, right), false);
    const ask = () => [
      page.verify(null, data, key, right),
      page.verify(null, data, key, wrong),
      page.verify(null, Buffer.from('other'), key, right),
      page.verify(null, data, key, right.subarray(1)),
    ];
    assert.deepEqual(await page.settled(ask), [true, false, false, false]);
  });

  test('what throws because of a signature that was not known yet is asked again; what throws anyway, throws', async () => {
    const { privateKey, publicKey } = node.generateKeyPairSync('ed25519');
    const key = page.createPublicKey({
      key: { crv: 'Ed25519', x: String(publicKey.export({ format: 'jwk' }).x) },
    });
    const signature = node.sign(null, Buffer.from('a'), privateKey);
    const open = (text: string) => () => {
      if (!page.verify(null, Buffer.from(text), key, signature)) throw new Error('does not fit');
      return text;
    };
    assert.equal(await page.settled(open('a')), 'a');
    await assert.rejects(page.settled(open('b')), /does not fit/);
  });

  test('a browser that has what is needed is told from one that has not', async () => {
    assert.equal(await page.whatIsMissing(), null);
  });
});
