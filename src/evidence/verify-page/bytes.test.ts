import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PageBuffer, Buffer as PageStatics } from './bytes.ts';

const bytes = fc.uint8Array({ maxLength: 300 });
const anyText = fc.string({ unit: 'binary', maxLength: 200 });
const same = (page: Uint8Array, node: Uint8Array): void =>
  assert.deepEqual(new Uint8Array(page), new Uint8Array(node));

describe('the Buffer of the page does what that of Node does', () => {
  for (const encoding of ['utf8', 'latin1', 'binary', 'hex', 'base64', 'base64url'] as const) {
    test(`bytes to ${encoding}`, () => {
      fc.assert(
        fc.property(bytes, fc.nat(300), fc.nat(300), (data, from, to) => {
          const page = new PageBuffer(data.slice().buffer);
          assert.equal(page.toString(encoding), Buffer.from(data).toString(encoding));
          const [a, b] = [Math.min(from, to, data.length), Math.min(Math.max(from, to), data.length)];
          assert.equal(page.toString(encoding, a, b), Buffer.from(data).toString(encoding, a, b));
        }),
      );
    });

    test(`${encoding} to bytes, also of what is not ${encoding}`, () => {
      const alphabet = fc.string({ unit: fc.constantFrom(...'09afAFgGzZ+/-_= \n€'), maxLength: 40 });
      fc.assert(
        fc.property(fc.oneof(anyText, alphabet), (text) => {
          // Of what is none at all they make different things: callers test the form, or compare what comes back.
          if (encoding === 'hex' && /[\u0080-\uffff]/.test(text)) return;
          if (encoding.startsWith('base64') && /[=\u0080-\uffff]/.test(text)) return;
          same(PageStatics.from(text, encoding), Buffer.from(text, encoding));
        }),
        { numRuns: 500 },
      );
    });
  }

  test('a long text keeps its bytes', () => {
    const long = Buffer.alloc(100_000, 'postern \u00fc');
    assert.equal(new PageBuffer(new Uint8Array(long).buffer).toString('latin1'), long.toString('latin1'));
  });

  test('base64 is taken as base64 only where it comes back the same, for padding of any kind', () => {
    const alphabet = fc.string({ unit: fc.constantFrom(...'AQgw09+/='), maxLength: 12 });
    fc.assert(
      fc.property(alphabet, (text) => {
        const strict = (decode: (text: string) => { toString(encoding: 'base64'): string }): boolean =>
          decode(text).toString('base64') === text;
        assert.equal(
          strict((t) => PageStatics.from(t, 'base64')),
          strict((t) => Buffer.from(t, 'base64')),
        );
      }),
      { numRuns: 2000 },
    );
  });

  test('concat, compare, equals, copy, write, readUInt16BE, byteLength', () => {
    fc.assert(
      fc.property(bytes, bytes, fc.nat(20), (a, b, at) => {
        const [pageA, pageB] = [new PageBuffer(a.slice().buffer), new PageBuffer(b.slice().buffer)];
        const [nodeA, nodeB] = [Buffer.from(a), Buffer.from(b)];
        same(PageStatics.concat([pageA, pageB]), Buffer.concat([nodeA, nodeB]));
        assert.equal(PageStatics.compare(pageA, pageB), Buffer.compare(nodeA, nodeB));
        assert.equal(pageA.equals(pageB), nodeA.equals(nodeB));
        assert.equal(pageA.equals(new PageBuffer(a.slice().buffer)), true);
        const [pageTo, nodeTo] = [PageStatics.alloc(40), Buffer.alloc(40)];
        assert.equal(pageA.copy(pageTo, at), nodeA.copy(nodeTo, at));
        const text = nodeB.toString('latin1');
        assert.equal(pageTo.write(text, at, 8, 'latin1'), nodeTo.write(text, at, 8, 'latin1'));
        same(pageTo, nodeTo);
        assert.equal(pageTo.readUInt16BE(at), nodeTo.readUInt16BE(at));
        assert.throws(() => pageTo.readUInt16BE(39), RangeError);
        assert.equal(pageTo.subarray(1, 3) instanceof PageBuffer, true);
      }),
    );
    fc.assert(
      fc.property(anyText, (text) => assert.equal(PageStatics.byteLength(text), Buffer.byteLength(text))),
    );
  });
});
