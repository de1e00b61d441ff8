import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { hashLanes, LATER, waitingHashes } from './hash-lanes.ts';
import { MaskKey } from './key.ts';
import { columnMask } from './plan.fixture.ts';
import { maskBytes, maskTyped } from './transforms.ts';

const KEYS = [1, 2, 3].map((byte) => Buffer.alloc(32, byte));
const DOMAINS = ['column hash', 'content hash'];

const step = fc.record({
  key: fc.nat(KEYS.length - 1),
  domain: fc.nat(DOMAINS.length - 1),
  text: fc.oneof(
    fc.string({ maxLength: 60 }),
    fc.stringMatching(/^[a-z0-9@.]{0,46}$/),
    fc.string({ unit: 'grapheme' }),
  ),
  /** What happens before the next one. */
  next: fc.constantFrom('nothing', 'nothing', 'nothing', 'settled', 'moved', 'abandoned'),
});

test('a hash that is written later is the first half of the HMAC, where it belongs, whatever else is hashed meanwhile', () => {
  const made = KEYS.map((key) => new MaskKey(key));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let out = Buffer.alloc(steps.length * 40, '.');
      const expected: (string | null)[] = [];
      for (const [i, { key, domain, text, next }] of steps.entries()) {
        const bytes = Buffer.from(`<${text}>`);
        const [maskKey, name] = [made[key] as MaskKey, DOMAINS[domain] as string];
        const end = bytes.length - 1;
        const taken = maskKey.later(name, bytes, 1, end);
        const short = name.length + 1 + end - 1 <= 55;
        assert.equal(taken, short && text.length === end - 1);
        // What is taken is read at once: the buffer may be another's by then.
        bytes.fill(0);
        const hex = createHmac('sha256', KEYS[key] as Buffer)
          .update(`${name}\0${text}`)
          .digest('hex');
        expected.push(taken && next !== 'abandoned' ? hex.slice(0, 32) : null);
        if (taken && next !== 'abandoned') waitingHashes.goesTo(out, i * 40);
        if (next === 'settled') waitingHashes.settle();
        if (next === 'moved') {
          const larger = Buffer.alloc(out.length);
          out.copy(larger);
          waitingHashes.moved(out, 0, larger);
          out = larger;
        }
      }
      waitingHashes.settle();
      for (const [i, hash] of expected.entries()) {
        const slot = out.toString('latin1', i * 40, i * 40 + 40);
        assert.equal(slot, hash === null ? '.'.repeat(40) : `${hash}${'.'.repeat(8)}`);
      }
    }),
  );
});

test('a column of a hundred thousand values is hashed right to its end, also when the program was compiled anew meanwhile', () => {
  const values = 100_000;
  const [key] = KEYS as [Buffer];
  const maskKey = new MaskKey(key);
  const out = Buffer.alloc(32 * values);
  const text = (i: number): string => `person.${i}@example.org`.slice(0, i % 30);
  for (let i = 0; i < values; i++) {
    const bytes = Buffer.from(text(i));
    assert.ok(maskKey.later('column hash', bytes, 0, bytes.length));
    waitingHashes.goesTo(out, 32 * i);
  }
  waitingHashes.settle();
  for (let i = 0; i < values; i++) {
    const bytes = Buffer.from(text(i));
    const expected = maskKey.hex('column hash', bytes, 0, bytes.length).slice(0, 32);
    if (out.toString('latin1', 32 * i, 32 * i + 32) !== expected) assert.fail(`value ${i}: ${text(i)}`);
  }
});

test('what moved is followed, and what stands before it stays', () => {
  const key = new MaskKey(KEYS[0] as Buffer);
  const hash = (text: string): string => key.hex('d', Buffer.from(text), 0, text.length).slice(0, 32);
  const [old, larger] = [Buffer.alloc(64), Buffer.alloc(64)];
  for (const [i, text] of ['stays', 'moves'].entries()) {
    assert.ok(key.later('d', Buffer.from(text), 0, text.length));
    waitingHashes.goesTo(old, 32 * i);
  }
  waitingHashes.moved(old, 32, larger);
  waitingHashes.settle();
  assert.equal(old.toString('latin1', 0, 32), hash('stays'));
  assert.equal(larger.toString('latin1', 0, 32), hash('moves'));
  assert.ok(old.subarray(32).every((byte) => byte === 0));
});

test('no hash goes anywhere that was not taken, and none twice', () => {
  const key = new MaskKey(KEYS[0] as Buffer);
  const text = Buffer.from('a');
  assert.throws(() => waitingHashes.goesTo(Buffer.alloc(32), 0));
  assert.ok(key.later('d', text, 0, 1));
  waitingHashes.goesTo(Buffer.alloc(32), 0);
  assert.throws(() => waitingHashes.goesTo(Buffer.alloc(32), 0));
  assert.ok(key.later('d', text, 0, 1));
  waitingHashes.settle();
  assert.throws(() => waitingHashes.goesTo(Buffer.alloc(32), 0), 'forgotten when it was settled');
});

test('whether a hash is made now or later, it is the same', () => {
  const mask = columnMask({ kind: 'hash' });
  const text = fc.oneof(fc.string({ maxLength: 80 }), fc.string({ unit: 'grapheme', maxLength: 40 }));
  fc.assert(
    fc.property(text, (value) => {
      const bytes = Buffer.from(value, 'utf8');
      const out = Buffer.alloc(32);
      const masked = maskBytes(mask, bytes, 0, bytes.length);
      if (masked === LATER) waitingHashes.goesTo(out, 0);
      waitingHashes.settle();
      const shown = masked === LATER ? out.toString('latin1') : masked;
      if (shown !== null) assert.equal(shown, maskTyped(mask, 'text', bytes.toString('utf8')));
    }),
  );
  assert.notEqual(hashLanes(), null, 'this processor has the vectors that it needs');
});
