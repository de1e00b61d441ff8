import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import {
  bundleWidth,
  decodeBundle,
  encodeBundle,
  entries,
  entriesPath,
  partialTiles,
  readEntry,
  TileStore,
  tilePath,
} from './tiles.ts';

let dir = '';
beforeEach(() => {
  dir = fs.mkdtempSync(join(tmpdir(), 'postern-tiles-'));
});
afterEach(() => fs.rmSync(dir, { recursive: true }));

const numbered = (from: number, count: number): Buffer[] =>
  Array.from({ length: count }, (_, i) => Buffer.from(String(from + i)));

describe('tile paths', () => {
  it('are those of the tlog-tiles specification', () => {
    assert.equal(tilePath(0, 0), 'tile/0/000');
    assert.equal(tilePath(1, 1_234_067), 'tile/1/x001/x234/067');
    assert.equal(tilePath(0, 1067, 5), 'tile/0/x001/067.p/5');
    assert.equal(entriesPath(999), 'tile/entries/999');
    assert.equal(entriesPath(1000, 255), 'tile/entries/x001/000.p/255');
  });

  it('of the partial tiles of 70,000 leaves are the three of the specification', () => {
    assert.deepEqual(partialTiles(70_000), [
      { level: 0, n: 273, width: 112 },
      { level: 1, n: 1, width: 17 },
      { level: 2, n: 0, width: 1 },
    ]);
    assert.deepEqual(partialTiles(256), [{ level: 1, n: 0, width: 1 }]);
    assert.deepEqual(partialTiles(0), []);
    assert.equal(bundleWidth(273, 70_000), 112);
    assert.equal(bundleWidth(274, 70_000), 0);
  });
});

describe('entry bundles', () => {
  it('round trip for any entries', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 256 }), (list) => {
        const decoded = decodeBundle(encodeBundle(list), list.length);
        assert.deepEqual(
          decoded,
          list.map((entry) => Buffer.from(entry)),
        );
      }),
    );
  });

  it('hold an entry of 65,535 bytes and none larger', () => {
    const largest = Buffer.alloc(65_535, 1);
    assert.deepEqual(decodeBundle(encodeBundle([largest]), 1), [largest]);
    assert.throws(() => encodeBundle([Buffer.alloc(65_536)]), RangeError);
  });

  it('are refused when cut anywhere, or with more than 256 entries', () => {
    const bundle = encodeBundle(numbered(10, 5));
    for (let at = 0; at < bundle.length; at++) assert.equal(decodeBundle(bundle.subarray(0, at), 5), null);
    assert.equal(decodeBundle(encodeBundle(numbered(0, 257)), 256), null);
  });
});

describe('TileStore', () => {
  it('gives back what was committed, in files for the owner alone, and leaves nothing else', () => {
    const store = new TileStore(dir);
    store.writeTile(0, 0, Buffer.alloc(64, 1));
    store.writeEntries(0, 2, encodeBundle(numbered(0, 2)));
    assert.deepEqual(fs.readdirSync(dir), []);
    store.commit();
    assert.deepEqual(store.readTile(0, 0, 2), Buffer.alloc(64, 1));
    assert.deepEqual(store.readEntries(0, 2), numbered(0, 2));
    const files = fs
      .readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((file) => file.isFile());
    assert.equal(files.length, 2);
    for (const { parentPath, name } of files) {
      assert.equal(fs.statSync(join(parentPath, name)).mode & 0o777, 0o600);
    }
  });

  it('reads a partial file that is gone from the full one', () => {
    const store = new TileStore(dir);
    const tile = Buffer.alloc(256 * 32, 3);
    store.writeTile(0, 4, tile);
    store.writeTile(0, 4, tile.subarray(0, 64));
    store.writeEntries(4, 256, encodeBundle(numbered(0, 256)));
    store.commit();
    store.dropPartials(0, 4);
    assert.equal(fs.existsSync(join(dir, tilePath(0, 4, 2))), false);
    assert.deepEqual(store.readTile(0, 4, 2), tile.subarray(0, 64));
    assert.deepEqual(store.readEntries(4, 3), numbered(0, 3));
  });

  it('keeps partial files as long as there is no full one', () => {
    const store = new TileStore(dir);
    store.writeTile(1, 0, Buffer.alloc(32));
    store.commit();
    store.dropPartials(1, 0);
    assert.equal(store.readTile(1, 0, 1).length, 32);
  });

  it('names the file that is missing, too short, too long, or malformed', () => {
    const store = new TileStore(dir);
    assert.throws(() => store.readTile(0, 7, 9), /tile\/0\/007\.p\/9: is missing/);
    store.writeTile(0, 1, Buffer.alloc(32 * 8));
    store.writeEntries(1, 8, Buffer.from([0, 5, 1]));
    store.writeEntries(2, 256, Buffer.alloc(10));
    store.commit();
    fs.truncateSync(join(dir, tilePath(0, 1, 8)), 100);
    assert.throws(() => store.readTile(0, 1, 8), /tile\/0\/001\.p\/8: has 100 bytes/);
    assert.throws(() => store.readEntries(1, 8), /entries\/001\.p\/8: is not a well-formed/);
    assert.throws(() => store.readEntries(2, 256), /entries\/002: is not a well-formed/);
    fs.truncateSync(join(dir, tilePath(0, 1, 8)), 1e9);
    assert.throws(() => store.readTile(0, 1, 8), /more than any file of its kind/);
  });

  it('reads single entries and ranges across bundles', () => {
    const store = new TileStore(dir);
    store.writeEntries(0, 256, encodeBundle(numbered(0, 256)));
    store.writeEntries(1, 44, encodeBundle(numbered(256, 44)));
    store.commit();
    assert.equal(readEntry(store, 299, 300).toString(), '299');
    assert.throws(() => readEntry(store, 300, 300), { code: 'POSTERN_NOT_FOUND' });
    assert.deepEqual(
      [...entries(store, 250, 300)].map(({ index, entry }) => `${index}=${entry}`),
      Array.from({ length: 50 }, (_, i) => `${250 + i}=${250 + i}`),
    );
    assert.deepEqual([...entries(store, 5, 5)], []);
  });
});
