import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { formatCheckpoint, openCheckpoint } from './checkpoint.ts';
import { JournalWriter } from './journal.ts';
import { generateSigner, loadSigner, parseVerifierKey, signNote } from './note.ts';
import { commandJson, drain, openLog, temporaryDirectory, verified } from './test-log.ts';
import { decodeBundle, encodeBundle, entriesPath, tilePath } from './tiles.ts';
import { EMPTY_ROOT, prefixedLeafHash, Tree } from './tree.ts';
import type { Finding } from './verify.ts';

const SIZE = 66_000;
let dir = '';
let vkey = '';
const log = (path: string): string => join(dir, 'log', path);

before(() => {
  dir = temporaryDirectory();
  const opened = openLog(dir);
  const writer = JournalWriter.create(join(dir, 'journal'), 'w');
  for (let i = 1; i < SIZE; i++) {
    writer.append(commandJson(`r${i}`, `p${i % 3}`, `2026-11-21T19:30:00.${String(i).padStart(6, '0')}Z`));
  }
  writer.flush();
  drain(opened.sequencer);
  vkey = opened.sequencer.vkey;
  opened.close();
  writer.close();
});
after(() => fs.rmSync(dir, { recursive: true }));

/** Findings after a change to one file, which is undone. */
function findingsAfter(path: string, change: (bytes: Buffer) => Buffer | null, from = 0): Finding[] {
  const original = fs.readFileSync(log(path));
  const changed = change(Buffer.from(original));
  if (changed) fs.writeFileSync(log(path), changed);
  else fs.rmSync(log(path));
  try {
    return verified(dir, vkey, from).findings;
  } finally {
    fs.writeFileSync(log(path), original);
  }
}

function flip(bytes: Buffer, at: number): Buffer {
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  return bytes;
}

/** Changes the entries of a bundle. */
function edit(change: (entries: Buffer[]) => Buffer[]): (bundle: Buffer) => Buffer {
  return (bundle) => encodeBundle(change(decodeBundle(bundle, 256) as Buffer[]));
}

describe('verifyLog', () => {
  it('finds nothing in an untouched log and says what it looked at', () => {
    const { findings, summary } = verified(dir, vkey);
    assert.deepEqual(findings, []);
    assert.deepEqual([summary.size, summary.leaves, summary.principals.get('p1')], [SIZE, SIZE, SIZE / 3]);
  });

  it('looks into the leaves from a given one on, and still at the whole tree', () => {
    const { findings, summary } = verified(dir, vkey, 60_000);
    assert.deepEqual(findings, []);
    assert.equal(summary.leaves, SIZE - Math.floor(60_000 / 256) * 256);
    const early = findingsAfter(tilePath(0, 3), (bytes) => flip(bytes, 7), 60_000);
    assert.ok(early.some(({ severity }) => severity === 'error'));
  });

  it('names the bundle and the leaf of an edited entry, and nothing else', () => {
    const path = entriesPath(7);
    const found = findingsAfter(
      path,
      edit((entries) =>
        entries.map((entry, i) => (i === 9 ? Buffer.from(entry.toString().replace('"p', '"q')) : entry)),
      ),
    );
    assert.deepEqual(
      found.map(({ file, leaf }) => [file, leaf]),
      [[path, 7 * 256 + 9]],
    );
  });

  it('names the tile whose hash was changed, on every level', () => {
    for (const path of [tilePath(0, 5), tilePath(1, 0), tilePath(1, 1, 1), tilePath(2, 0, 1)]) {
      const found = findingsAfter(path, (bytes) => flip(bytes, 3));
      assert.deepEqual(
        found.map(({ file, severity }) => [file, severity]),
        [[path, 'error']],
      );
    }
  });

  it('names a file that is missing or cut', () => {
    for (const path of [
      entriesPath(3),
      entriesPath(257, 208),
      tilePath(0, 3),
      tilePath(0, 257, 208),
      tilePath(1, 0),
    ]) {
      assert.deepEqual(
        findingsAfter(path, () => null).map(({ file }) => file),
        [path],
      );
      assert.deepEqual(
        findingsAfter(path, (bytes) => bytes.subarray(0, -1)).map(({ file }) => file),
        [path],
      );
    }
  });

  it('catches removed, repeated, inserted and swapped entries', () => {
    const changes: ((entries: Buffer[]) => Buffer[])[] = [
      (entries) => entries.toSpliced(5, 1),
      (entries) => entries.toSpliced(5, 0, entries[5] as Buffer),
      (entries) => entries.toSpliced(5, 1, entries[6] as Buffer),
      (entries) => entries.toSpliced(5, 2, entries[6] as Buffer, entries[5] as Buffer),
      (entries) => entries.with(5, Buffer.from('not JSON')),
      (entries) => entries.with(5, Buffer.from([0xff, 0xfe])),
      (entries) => entries.with(5, Buffer.from('[]')),
    ];
    for (const change of changes) {
      const found = findingsAfter(entriesPath(9), edit(change));
      assert.ok(found.length > 0 && found.every(({ file }) => file === entriesPath(9)), change.toString());
    }
  });

  it('refuses a checkpoint of another key, an edited one, and none at all', () => {
    const refused = { code: 'POSTERN_INVALID' };
    assert.throws(() => findingsAfter('checkpoint', (bytes) => flip(bytes, 40)), refused);
    const stranger = generateSigner(parseVerifierKey(vkey).name);
    const forged = signNote(formatCheckpoint({ origin: stranger.name, size: 0, root: EMPTY_ROOT }), stranger);
    assert.throws(() => findingsAfter('checkpoint', () => Buffer.from(forged)), refused);
    assert.throws(() => findingsAfter('checkpoint', () => null), { code: 'POSTERN_NOT_FOUND' });
  });

  it('catches a principalSeq gap even where the operator re-signed a consistent tree', () => {
    const signer = loadSigner(log('log.key'));
    const forged = temporaryDirectory();
    const entries = ([1, 2, 4] as const).map((seq, i) =>
      Buffer.from(`{"v":1,"leaf":${i},"principalSeq":${seq},${commandJson(`r${i}`, 'p', 't').slice(1)}`),
    );
    entries.push(Buffer.from(`{"v":1,"leaf":7,"principalSeq":1,"id":"x","time":"t","type":"unheard.of"}`));
    const tree = new Tree(() => undefined);
    for (const entry of entries) tree.append(prefixedLeafHash(Buffer.concat([Buffer.of(0), entry])));
    fs.mkdirSync(join(forged, 'log/tile/0/000.p'), { recursive: true });
    fs.mkdirSync(join(forged, 'log/tile/entries/000.p'), { recursive: true });
    fs.writeFileSync(join(forged, 'log', tilePath(0, 0, 4)), tree.partial(0));
    fs.writeFileSync(join(forged, 'log', entriesPath(0, 4)), encodeBundle(entries));
    const text = formatCheckpoint({ origin: signer.name, size: 4, root: tree.root });
    fs.writeFileSync(join(forged, 'log/checkpoint'), signNote(text, signer));
    assert.equal(openCheckpoint(signNote(text, signer), signer).size, 4);
    const found = verified(forged, vkey).findings.map(
      ({ severity, leaf, message }) => `${severity} ${leaf} ${message}`,
    );
    assert.deepEqual(found, [
      'error 2 leaf 2 has principalSeq 4 of p, where 3 is due',
      'error 3 leaf 3 says that it is leaf 7',
      'info 3 leaf 3 is of the unknown type "unheard.of"',
      'error 3 leaf 3 has a principalSeq and no principal',
    ]);
    fs.rmSync(forged, { recursive: true });
  });
});

describe('verification of a log', () => {
  it('names a record that is there twice', () => {
    const doubled = temporaryDirectory();
    const opened = openLog(doubled);
    const writer = JournalWriter.create(join(doubled, 'journal'), 'w');
    for (const id of ['r1', 'r2', 'r1']) {
      writer.append(commandJson(id, 'p', '2026-11-21T19:30:00.000001Z'));
      writer.flush();
      drain(opened.sequencer);
    }
    const { findings } = verified(doubled, opened.sequencer.vkey);
    opened.close();
    writer.close();
    fs.rmSync(doubled, { recursive: true });
    assert.deepEqual(
      findings.map(({ leaf, message }) => [leaf, message]),
      [[3, 'leaf 3 has the id r1 of leaf 1: the record is in the log twice']],
    );
  });
});
