import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Framer } from './framer.ts';

const bodies = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 20 });

function encode(messages: readonly Uint8Array[], firstIsUntyped: boolean): Buffer {
  return Buffer.concat(
    messages.flatMap((body, i) => {
      const length = Buffer.alloc(4);
      length.writeInt32BE(body.length + 4);
      return i === 0 && firstIsUntyped ? [length, body] : [Buffer.from('Q'), length, body];
    }),
  );
}

test('every message is counted, wherever the stream is cut into chunks', () => {
  fc.assert(
    fc.property(bodies, fc.boolean(), fc.array(fc.nat(400), { minLength: 1 }), (messages, untyped, cuts) => {
      const stream = encode(messages, untyped);
      const framer = new Framer(untyped);
      for (let at = 0, i = 0; at < stream.length; i++) {
        const step = 1 + (cuts[i % cuts.length] as number);
        framer.push(stream.subarray(at, at + step));
        at += step;
      }
      assert.equal(framer.messages, messages.length);
    }),
  );
});

test('a length that does not even count itself is refused', () => {
  assert.throws(() => new Framer(false).push(Buffer.from([0x51, 0, 0, 0, 3])), /length 3/);
});
