import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  cachingReader,
  consistencyProof,
  formatTlogProof,
  inclusionProof,
  parseTlogProof,
  rootFromTiles,
  verifyConsistency,
  verifyInclusion,
} from './proof.ts';
import type { TileReader } from './tiles.ts';
import { leafHash, Tree } from './tree.ts';

const LARGEST = 66_000;
const leaves = Array.from({ length: LARGEST }, (_, i) => leafHash(Buffer.from(String(i))));
const tiles = new Map<string, Buffer>();
const roots: Buffer[] = [];
const whole = new Tree((level, n, hashes) => tiles.set(`${level}/${n}`, hashes));
for (const leaf of leaves) {
  roots.push(whole.size < 3000 || whole.size > 65_500 ? whole.root : Buffer.alloc(0));
  whole.append(leaf.toString('latin1'));
}
roots.push(whole.root);

/** Any prefix of the tree is answered from the tiles of the largest. */
const read: TileReader = (level, n, width) =>
  (tiles.get(`${level}/${n}`) ?? whole.partial(level)).subarray(0, width * 32);

const someSize = fc.oneof(fc.integer({ min: 1, max: 2999 }), fc.integer({ min: 65_501, max: LARGEST }));

function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  const at = bit % (copy.length * 8);
  copy.writeUInt8(copy.readUInt8(at >> 3) ^ (1 << (at & 7)), at >> 3);
  return copy;
}

const root = (size: number): Buffer => roots[size] as Buffer;
const leafAt = (index: number): Buffer => leaves[index] as Buffer;

describe('proofs', () => {
  it('prove every leaf of every tree up to 70 leaves, and fail for every other index', () => {
    for (let size = 1; size <= 70; size++) {
      for (let index = 0; index < size; index++) {
        const proof = inclusionProof(read, index, size);
        assert.ok(verifyInclusion(leafAt(index), index, size, proof, root(size)), `${index} of ${size}`);
        for (let other = 0; other < size; other++) {
          if (other !== index) assert.ok(!verifyInclusion(leafAt(index), other, size, proof, root(size)));
        }
      }
    }
  });

  it('prove consistency between all trees up to 70 leaves', () => {
    for (let n = 0; n <= 70; n++) {
      for (let m = 0; m <= n; m++) {
        const proof = consistencyProof(read, m, n);
        assert.ok(verifyConsistency(m, root(m), n, root(n), proof), `${m} to ${n}`);
        if (m > 0 && m < n) assert.ok(!verifyConsistency(m, root(m - 1), n, root(n), proof));
      }
    }
  });

  it('of inclusion hold at any size, and any flipped bit, missing or added hash breaks them', () => {
    fc.assert(
      fc.property(someSize, fc.nat(), fc.nat(), (size, at, bit) => {
        const index = at % size;
        const proof = inclusionProof(read, index, size);
        assert.ok(verifyInclusion(leafAt(index), index, size, proof, root(size)));
        assert.ok(!verifyInclusion(flipped(leafAt(index), bit), index, size, proof, root(size)));
        assert.ok(!verifyInclusion(leafAt(index), index, size, proof, flipped(root(size), bit)));
        assert.ok(!verifyInclusion(leafAt(index), index, size, [...proof, leafAt(0)], root(size)));
        if (proof.length === 0) return;
        const hit = bit % proof.length;
        const broken = proof.map((hash, i) => (i === hit ? flipped(hash, bit) : hash));
        assert.ok(!verifyInclusion(leafAt(index), index, size, broken, root(size)));
        assert.ok(!verifyInclusion(leafAt(index), index, size, proof.slice(1), root(size)));
        assert.ok(!verifyInclusion(leafAt(index), index, size, proof.slice(0, -1), root(size)));
      }),
      { numRuns: 300 },
    );
  });

  it('of consistency hold between any sizes, and any flipped bit or missing hash breaks them', () => {
    fc.assert(
      fc.property(someSize, someSize, fc.nat(), (a, b, bit) => {
        const [m, n] = a < b ? [a, b] : [b, a];
        const proof = consistencyProof(read, m, n);
        assert.ok(verifyConsistency(m, root(m), n, root(n), proof));
        assert.ok(!verifyConsistency(m, flipped(root(m), bit), n, root(n), proof));
        assert.ok(!verifyConsistency(m, root(m), n, flipped(root(n), bit), proof));
        if (proof.length === 0) return;
        const hit = bit % proof.length;
        const broken = proof.map((hash, i) => (i === hit ? flipped(hash, bit) : hash));
        assert.ok(!verifyConsistency(m, root(m), n, root(n), broken));
        assert.ok(!verifyConsistency(m, root(m), n, root(n), proof.slice(0, -1)));
        assert.ok(!verifyConsistency(m, root(m), n, root(n), [...proof, leafAt(0)]));
      }),
      { numRuns: 300 },
    );
  });

  it('do not verify, and do not throw, for nonsense', () => {
    fc.assert(
      fc.property(
        fc.double(),
        fc.double(),
        fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 90 }),
        fc.uint8Array({ maxLength: 40 }),
        (index, size, proof, hash) => {
          assert.equal(verifyInclusion(hash, index, size, proof, leafAt(0)), false);
          assert.equal(verifyConsistency(index, hash, size, leafAt(0), proof), false);
        },
      ),
    );
  });

  it('refuse an index outside of the tree and a tree that shrinks', () => {
    assert.throws(() => inclusionProof(read, 5, 5), { code: 'POSTERN_INVALID' });
    assert.throws(() => inclusionProof(read, Number.NaN, 5), { code: 'POSTERN_INVALID' });
    assert.throws(() => consistencyProof(read, 6, 5), { code: 'POSTERN_INVALID' });
  });

  it('come out the same through a small cache of tiles', () => {
    const cached = cachingReader(read, 2);
    for (const index of [0, 300, 65_999, 41_000]) {
      assert.deepEqual(inclusionProof(cached, index, LARGEST), inclusionProof(read, index, LARGEST));
    }
    assert.deepEqual(rootFromTiles(cached, LARGEST), whole.root);
  });
});

describe('.tlog-proof', () => {
  const checkpoint = 'example.org/log\n1\nAAAA\n\n— example.org/log AAAAAAA=\n';

  it('round trips, with and without extra data', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.integer({ min: 0, max: 40 }),
        fc.uint8Array({ minLength: 1 }),
        fc.boolean(),
        (index, count, data, with_) => {
          const proof = leaves.slice(0, count);
          const written = { ...(with_ && { extra: Buffer.from(data) }), index, proof, checkpoint };
          assert.deepEqual(parseTlogProof(formatTlogProof(written)), written);
        },
      ),
    );
  });

  const hash = leafAt(1).toString('base64');
  const malformed: [string, string][] = [
    ['another version', `c2sp.org/tlog-proof@v2\nindex 1\n\n${checkpoint}`],
    ['no index', `c2sp.org/tlog-proof@v1\n${hash}\n\n${checkpoint}`],
    ['an index with a leading zero', `c2sp.org/tlog-proof@v1\nindex 01\n\n${checkpoint}`],
    ['a negative index', `c2sp.org/tlog-proof@v1\nindex -1\n\n${checkpoint}`],
    ['a short hash', `c2sp.org/tlog-proof@v1\nindex 1\nAAAA\n\n${checkpoint}`],
    ['sloppy base64', `c2sp.org/tlog-proof@v1\nindex 1\n${hash.slice(0, -1)}\n\n${checkpoint}`],
    ['no checkpoint', `c2sp.org/tlog-proof@v1\nindex 1\n${hash}\n`],
    ['empty extra data', `c2sp.org/tlog-proof@v1\nextra \nindex 1\n\n${checkpoint}`],
    ['too many hashes', `c2sp.org/tlog-proof@v1\nindex 1\n${`${hash}\n`.repeat(65)}\n${checkpoint}`],
    ['nothing', ''],
  ];
  for (const [what, text] of malformed) {
    it(`is refused with ${what}`, () => {
      assert.throws(() => parseTlogProof(text), { code: 'POSTERN_INVALID' });
    });
  }
});
