import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { newSigningSecret, signWebhook, verifySlack, verifyWebhook, WINDOW_SECONDS } from './signatures.ts';

const NOW = 1_800_000_000_000;
const SECOND = NOW / 1000;

test('a webhook is signed as the Standard Webhooks say', () => {
  // The example of the specification's own libraries.
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
  const head = signWebhook([secret], 'msg_p5jXN8AQM9LWM0D4loKWxJek', 1_614_265_330, '{"test": 2432232314}');
  assert.equal(head.signature, 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
});

test('what is signed verifies, with either secret while one takes over from the other, and with no third', () => {
  const [one, two, three] = [newSigningSecret(), newSigningSecret(), newSigningSecret()];
  const head = signWebhook([one, two], 'id-1', SECOND, 'body');
  assert.ok(verifyWebhook([one], head, 'body', NOW));
  assert.ok(verifyWebhook([two], head, 'body', NOW));
  assert.ok(!verifyWebhook([three], head, 'body', NOW));
  assert.ok(!verifyWebhook([], head, 'body', NOW));
});

test('a message outside the window is refused, before and after', () => {
  const secret = newSigningSecret();
  for (const [skew, fits] of [
    [WINDOW_SECONDS, true],
    [-WINDOW_SECONDS, true],
    [WINDOW_SECONDS + 1, false],
    [-WINDOW_SECONDS - 1, false],
  ] as const) {
    assert.equal(verifyWebhook([secret], signWebhook([secret], 'i', SECOND + skew, 'b'), 'b', NOW), fits);
  }
});

test('changing anything that is signed breaks a signature', () => {
  const secret = newSigningSecret();
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.integer({ min: 0, max: 2 }), (body, other, which) => {
      const head = signWebhook([secret], 'id-1', SECOND, body);
      const forged = [
        [{ ...head, id: 'id-2' }, body],
        [{ ...head, timestamp: String(SECOND + 1) }, body],
        [head, `${body}${other}x`],
      ] as const;
      const [changed, text] = forged[which] ?? forged[0];
      return verifyWebhook([secret], head, body, NOW) && !verifyWebhook([secret], changed, text, NOW);
    }),
  );
});

test('headers that are none are refused, whatever they hold', () => {
  const secret = newSigningSecret();
  const head = signWebhook([secret], 'id-1', SECOND, 'b');
  // The dot parts the signed pieces: an id with one could take some of the timestamp.
  assert.ok(!verifyWebhook([secret], signWebhook([secret], 'id.1', SECOND, 'b'), 'b', NOW));
  assert.ok(!verifyWebhook([secret], { ...head, id: '' }, 'b', NOW));
  assert.ok(!verifyWebhook([secret], { ...head, timestamp: `${SECOND}.0` }, 'b', NOW));
  assert.ok(!verifyWebhook([secret], { ...head, timestamp: '' }, 'b', NOW));
  assert.ok(!verifyWebhook([secret], { ...head, signature: head.signature.replace('v1,', 'v2,') }, 'b', NOW));
  assert.ok(
    !verifyWebhook([secret], { ...head, signature: `${'v1,x '.repeat(9)}${head.signature}` }, 'b', NOW),
  );
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.string(), (id, timestamp, signature) => {
      return !verifyWebhook([secret], { id, timestamp, signature }, 'b', NOW);
    }),
  );
});

test("Slack's signature is over version, time and body, within five minutes", () => {
  const secret = '8f742231b10e8888abcd99yyyzzz85a5';
  const sign = (at: number, body: string): string =>
    `v0=${createHmac('sha256', secret).update(`v0:${at}:${body}`).digest('hex')}`;
  const head = { timestamp: String(SECOND), signature: sign(SECOND, 'a=b') };
  assert.ok(verifySlack(secret, head, 'a=b', NOW));
  assert.ok(!verifySlack(secret, head, 'a=c', NOW));
  assert.ok(!verifySlack('another', head, 'a=b', NOW));
  assert.ok(!verifySlack(secret, head, 'a=b', NOW + 301_000));
  assert.ok(!verifySlack(secret, { ...head, signature: head.signature.slice(3) }, 'a=b', NOW));
});
