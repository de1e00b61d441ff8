import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { EMPTY_ROOT, leafHash, nodeHash, subtreeRoot, TILE_WIDTH, Tree } from './tree.ts';
import vectors from './vectors.json' with { type: 'json' };

const sha256 = (...parts: Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** RFC 6962, section 2.1, word for word. */
function naiveRoot(entries: readonly Buffer[]): Buffer {
  if (entries.length === 0) return sha256();
  if (entries.length === 1) return sha256(Buffer.of(0), entries[0] as Buffer);
  let k = 1;
  while (k * 2 < entries.length) k *= 2;
  return sha256(Buffer.of(1), naiveRoot(entries.slice(0, k)), naiveRoot(entries.slice(k)));
}

const entry = (i: number): Buffer => Buffer.from(String(i));
const numbered = (n: number): Buffer[] => Array.from({ length: n }, (_, i) => entry(i));
const leaf = (i: number): string => leafHash(entry(i)).toString('latin1');

interface Grown {
  readonly tree: Tree;
  readonly tiles: Map<string, Buffer>;
}

function grow(n: number): Grown {
  const tiles = new Map<string, Buffer>();
  const tree = new Tree((level, index, hashes) => tiles.set(`${level}/${index}`, hashes));
  for (let i = 0; i < n; i++) tree.append(leaf(i));
  return { tree, tiles };
}

describe('Merkle tree', () => {
  it('hashes leaves, nodes and the empty tree as RFC 6962 says', () => {
    assert.deepEqual(leafHash(Buffer.from('a')), sha256(Buffer.from('\0a')));
    assert.deepEqual(
      nodeHash(sha256(entry(1)), sha256(entry(2))),
      sha256(Buffer.of(1), sha256(entry(1)), sha256(entry(2))),
    );
    assert.deepEqual(EMPTY_ROOT, sha256());
  });

  for (const [size, root] of Object.entries(vectors.roots)) {
    it(`gives the root of the test vector of ${size} leaves`, () => {
      assert.equal(grow(Number(size)).tree.root.toString('hex'), root);
      if (Number(size) < 100_000) assert.equal(naiveRoot(numbered(Number(size))).toString('hex'), root);
    });
  }

  it('has the same root as the recursive definition at every size up to 600', () => {
    const tree = new Tree(() => undefined);
    for (let n = 1; n <= 600; n++) {
      tree.append(leaf(n - 1));
      if (n % 7 === 0 || n > 500) assert.deepEqual(tree.root, naiveRoot(numbered(n)), `size ${n}`);
    }
  });

  it('emits exactly the full tiles of the tiled log of 70,000 leaves', () => {
    const { tree, tiles } = grow(70_000);
    assert.equal([...tiles.keys()].filter((key) => key.startsWith('0/')).length, 273);
    assert.deepEqual(
      [...tiles.keys()].filter((key) => !key.startsWith('0/')),
      ['1/0'],
    );
    assert.deepEqual(
      [0, 1, 2, 3].map((level) => tree.partial(level).length / 32),
      [112, 17, 1, 0],
    );
    assert.deepEqual(
      tiles.get('1/0')?.subarray(32, 64),
      naiveRoot(Array.from({ length: 256 }, (_, i) => entry(256 + i))),
    );
  });

  it('goes on, restored from its tiles, as if it had never stopped', () => {
    const sizes = fc.oneof(fc.nat(1200), fc.constantFrom(255, 256, 257, 65_535, 65_536, 65_537, 65_792));
    fc.assert(
      fc.property(sizes, fc.nat(600), (size, more) => {
        const { tree, tiles } = grow(size);
        const read = (level: number, n: number): Buffer => tiles.get(`${level}/${n}`) as Buffer;
        const rest = size % TILE_WIDTH;
        const tail = Array.from({ length: rest }, (_, i) => leaf(size - rest + i));
        const restored = Tree.restore(size, read, tail, () => undefined);
        assert.deepEqual(restored.root, tree.root);
        for (let i = size; i < size + more; i++) {
          restored.append(leaf(i));
          tree.append(leaf(i));
        }
        assert.deepEqual(restored.root, tree.root);
        for (let level = 0; level < 3; level++)
          assert.deepEqual(restored.partial(level), tree.partial(level));
      }),
      { numRuns: 30 },
    );
  });
});

describe('a tree grown by whole tiles', () => {
  it('is the same as one grown by leaves: root, full tiles above and unfinished ones', () => {
    for (const [tiles, rest] of [
      [0, 3],
      [1, 0],
      [3, 7],
      [256, 0],
      [259, 255],
    ] as const) {
      const above = new Map<string, Buffer>();
      const grown = new Map<string, Buffer>();
      const roots: string[] = [];
      const byLeaves = new Tree((level, n, hashes) => {
        if (level > 0) grown.set(`${level}/${n}`, hashes);
        else roots.push(subtreeRoot(hashes, 0, TILE_WIDTH).toString('latin1'));
      });
      for (let i = 0; i < tiles * TILE_WIDTH + rest; i++) byLeaves.append(leaf(i % 1000));
      const byTiles = new Tree((level, n, hashes) => above.set(`${level}/${n}`, hashes));
      for (const root of roots) byTiles.appendTile(root);
      for (let i = 0; i < rest; i++) byTiles.append(leaf((tiles * TILE_WIDTH + i) % 1000));
      assert.deepEqual(byTiles.root, byLeaves.root);
      assert.equal(byTiles.size, byLeaves.size);
      assert.deepEqual(above, grown);
      for (const level of [0, 1, 2]) assert.deepEqual(byTiles.partial(level), byLeaves.partial(level));
    }
  });

  it('takes no tile behind one that is not full', () => {
    const tree = new Tree(() => undefined);
    tree.append(leaf(0));
    assert.throws(() => tree.appendTile(leaf(1)), RangeError);
  });
});
