import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { openCheckpoint } from './checkpoint.ts';
import { JournalWriter } from './journal.ts';
import { parseVerifierKey } from './note.ts';
import { commitmentOf } from './payload-seal.ts';
import { inclusionProof, verifyInclusion } from './proof.ts';
import {
  Collector,
  commandJson,
  drain,
  openLog,
  statement,
  temporaryDirectory,
  verified,
} from './test-log.ts';
import { partialTiles, readEntry, TileStore, tilePath } from './tiles.ts';
import { leafHash } from './tree.ts';

const LIMITED = 'under-a-file-size-limit';

function time(n: number): string {
  return `2026-11-21T19:30:00.${String(n).padStart(6, '0')}Z`;
}

function limitFiles(bytes: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`]);
}

function write(writer: JournalWriter, from: number, count: number, principal = 'p1'): void {
  for (let i = from; i < from + count; i++) writer.append(commandJson(`r${i}`, principal, time(i)));
  writer.flush();
}

/** Runs in a process of its own, where files can be kept from growing. */
function underLimit(dir: string): void {
  const seen = new Collector();
  const log = openLog(dir, [seen]);
  const writer = JournalWriter.create(join(dir, 'journal'), 'w');
  write(writer, 0, 300);
  drain(log.sequencer);
  write(writer, 300, 3000);
  for (const limit of [20, 5_000, 9_000, 60_000]) {
    limitFiles(limit);
    assert.throws(() => {
      while (log.sequencer.step(1000) > 0);
      log.sequencer.checkpointNow();
    });
    limitFiles('unlimited');
  }
  drain(log.sequencer);
  assert.deepEqual(
    seen.leaves.slice(1).map(({ record }) => record.id),
    Array.from({ length: 3300 }, (_, i) => `r${i}`),
  );
  assert.deepEqual(verified(dir, log.sequencer.vkey).findings, []);
  log.close();
  writer.close();
}

if (process.argv[2] === LIMITED) {
  underLimit(process.argv[3] as string);
} else {
  tests();
}

function tests(): void {
  let dir = '';
  beforeEach(() => {
    dir = temporaryDirectory();
  });
  afterEach(() => fs.rmSync(dir, { recursive: true }));

  const journal = (name: string): JournalWriter => JournalWriter.create(join(dir, 'journal'), name);

  describe('sequencer', () => {
    it('begins a log with a key of its own and a first leaf that says so', () => {
      const seen = new Collector();
      const log = openLog(dir, [seen]);
      log.sequencer.checkpointNow();
      assert.equal(seen.leaves[0]?.record.type, 'ledger.opened');
      assert.match(log.sequencer.origin, /^postern\.local\/[0-9a-f]{16}$/);
      assert.equal(fs.statSync(join(dir, 'log', 'log.key')).mode & 0o777, 0o600);
      assert.equal(fs.readFileSync(join(dir, 'log', 'log.vkey'), 'utf8').trim(), log.sequencer.vkey);
      assert.equal(fs.readFileSync(join(dir, 'log', 'checkpoint'), 'utf8'), log.sequencer.checkpoint);
      assert.deepEqual(fs.readdirSync(join(dir, 'log', 'tile')).sort(), ['0', 'entries']);
      log.close();
    });

    it('makes each record a leaf that holds it byte for byte behind leaf, principalSeq and payloads', () => {
      const log = openLog(dir);
      const writer = journal('w');
      const json = commandJson('r1', 'p1', time(1), { odd: 'ü\u2028"\\', list: [1.5e300, null] });
      writer.append(json, [statement('select 1')]);
      writer.append(commandJson('r2', null, time(2)));
      writer.flush();
      drain(log.sequencer);
      const store = new TileStore(join(dir, 'log'));
      const entry = readEntry(store, 1, 3).toString();
      const { payloads } = JSON.parse(entry) as {
        payloads: { statement: { commitment: string; bytes: number } };
      };
      const { commitment } = payloads.statement;
      assert.equal(
        entry,
        `{"v":1,"leaf":1,"principalSeq":1,"payloads":{"statement":{"commitment":"${commitment}","bytes":8}},${json.slice(1)}`,
      );
      const stored = log.payloads.get(commitment);
      assert.ok(stored && stored !== 'erased');
      assert.equal(commitmentOf(stored.salt, Buffer.from('select 1')), commitment);
      assert.ok(readEntry(store, 2, 3).toString().startsWith('{"v":1,"leaf":2,"id":"r2"'));
      log.close();
      writer.close();
    });

    it('counts each principal’s records from 1 without gaps, over steps and restarts', () => {
      const seen = new Collector();
      let log = openLog(dir, [seen]);
      const writer = journal('w');
      for (let i = 0; i < 900; i++) {
        writer.append(commandJson(`r${i}`, ['a', 'b', null][i % 3] as string | null, time(i)));
        if (i % 7 === 0) writer.flush();
        if (i % 90 === 0) log.sequencer.step(50);
        if (i % 300 === 299) {
          log.close();
          log = openLog(dir, [seen]);
        }
      }
      writer.flush();
      drain(log.sequencer);
      for (const id of ['a', 'b']) {
        const own = seen.leaves.filter(({ record }) => record.principal?.id === id);
        assert.deepEqual(
          own.map(({ record }) => record.principalSeq),
          own.map((_, i) => i + 1),
        );
        assert.equal(own.length, 300);
      }
      assert.deepEqual(verified(dir, log.sequencer.vkey).findings, []);
      log.close();
      writer.close();
    });

    it('puts the records of all journals in the order of time, and keeps the order inside each', () => {
      const seen = new Collector();
      const log = openLog(dir, [seen]);
      const control = journal('control');
      const worker = journal('worker-1');
      for (let i = 0; i < 100; i++)
        (i % 5 === 0 ? control : worker).append(commandJson(`r${i}`, 'p', time(i)));
      worker.append(commandJson('late', 'p', time(3)));
      control.flush();
      worker.flush();
      while (log.sequencer.step(7) > 0);
      const ids = seen.leaves.slice(1).map(({ record }) => record.id);
      assert.deepEqual(ids, [...Array.from({ length: 100 }, (_, i) => `r${i}`), 'late']);
      log.close();
      control.close();
      worker.close();
    });

    it('takes the files of a writer one after the other, each whole, beside those of others, and cuts nothing short', () => {
      const seen = new Collector();
      const log = openLog(dir, [seen]);
      const other = journal('other');
      for (let file = 0; file < 5; file++) {
        const writer = journal('w');
        for (let i = 0; i < 20; i++) {
          const n = file * 20 + i;
          writer.append(commandJson(`r${n}`, 'p', time(2 * n)), [statement(`select ${n}`.padEnd(20_000))]);
          if (i % 3 === 0) writer.flush();
          other.append(commandJson(`o${n}`, 'p', time(2 * n + 1)));
        }
        writer.close();
      }
      other.flush();
      for (let taken = log.sequencer.step(7); taken > 0; taken = log.sequencer.step(7)) {
        assert.equal(log.sequencer.behind, taken === 7 && seen.leaves.length < 201);
      }
      assert.deepEqual(
        seen.leaves.slice(1).map(({ record }) => record.id),
        Array.from({ length: 100 }, (_, i) => [`r${i}`, `o${i}`]).flat(),
      );
      assert.equal(fs.readdirSync(join(dir, 'journal')).length, 2);
      log.close();
      other.close();
    });

    it('takes no younger record of one journal while an older one of a larger journal was not read yet', () => {
      const seen = new Collector();
      const log = openLog(dir, [seen]);
      const big = journal('big');
      const small = journal('small');
      for (let i = 0; i < 60; i++) {
        big.append(commandJson(`b${i}`, 'p', time(2 * i)), [
          { kind: 'parameters', data: Buffer.alloc(500_000, i) },
        ]);
        big.flush();
        small.append(commandJson(`s${i}`, 'p', time(2 * i + 1)));
      }
      small.flush();
      drain(log.sequencer);
      assert.deepEqual(
        seen.leaves.slice(1).map(({ record }) => record.id),
        Array.from({ length: 60 }, (_, i) => [`b${i}`, `s${i}`]).flat(),
      );
      log.close();
      big.close();
      small.close();
    });

    it('never loses a record that is too large for a leaf: it says what it leaves out and keeps the whole apart', () => {
      const log = openLog(dir);
      const writer = journal('w');
      const objects = Array.from({ length: 5000 }, (_, i) => `schema.table_${i}`);
      const many = commandJson('many', 'p1', time(1), { objects, tail: 1 });
      const huge = commandJson('huge', 'p1', time(2), { objects: ['a.b'], text: 'ü'.repeat(40_000) });
      for (const json of [many, huge, commandJson('next', 'p1', time(3))]) writer.append(json);
      writer.flush();
      drain(log.sequencer);
      const store = new TileStore(join(dir, 'log'));
      const read = (leaf: number) => JSON.parse(readEntry(store, leaf, 4).toString());
      const first = read(1);
      assert.ok(first.objects.length > 2000 && first.objects.length + first.objectsOmitted === 5000);
      assert.equal(first.tail, 1);
      const second = read(2);
      assert.deepEqual([second.id, second.recordOmitted, second.principalSeq], ['huge', true, 2]);
      for (const [leaf, json] of [
        [first, many],
        [second, huge],
      ]) {
        const stored = log.payloads.get(leaf.payloads.record.commitment);
        assert.ok(stored && stored !== 'erased');
        assert.equal(stored.data.toString(), json);
      }
      assert.equal(read(3).principalSeq, 3);
      assert.deepEqual(verified(dir, log.sequencer.vkey).findings, []);
      log.close();
      writer.close();
    });

    it('says after an unclean end that it recovered, and after a clean one nothing', () => {
      const seen = new Collector();
      openLog(dir, [seen]).close();
      openLog(dir, [seen]).close();
      assert.deepEqual(
        seen.leaves.map(({ record }) => record.type),
        ['ledger.opened'],
      );
      const db = new DatabaseSync(join(dir, 'log', 'sequencer.db'));
      db.exec('UPDATE log SET clean = 0');
      db.close();
      openLog(dir, [seen]).close();
      assert.deepEqual(
        seen.leaves.map(({ record }) => record.type),
        ['ledger.opened', 'ledger.recovered'],
      );
    });

    it('is alone: a second one on the same directory is refused', () => {
      const log = openLog(dir);
      assert.throws(() => openLog(dir), { code: 'POSTERN_CONFLICT' });
      log.close();
    });

    it('signs each size once, keeps partial tiles until the full ones are there, and every leaf is provable', () => {
      const log = openLog(dir);
      const writer = journal('w');
      const verifier = parseVerifierKey(log.sequencer.vkey);
      const store = new TileStore(join(dir, 'log'));
      for (let round = 0; round < 12; round++) {
        write(writer, round * 100, 100);
        log.sequencer.step();
        const note = log.sequencer.checkpointNow();
        assert.equal(log.sequencer.checkpointNow(), note);
        const { size, root } = openCheckpoint(fs.readFileSync(join(dir, 'log', 'checkpoint')), verifier);
        assert.equal(size, 1 + (round + 1) * 100);
        for (const { level, n, width } of partialTiles(size)) {
          assert.ok(fs.existsSync(join(dir, 'log', tilePath(level, n, width))));
        }
        for (const leaf of [0, 50, size - 1]) {
          const proof = inclusionProof(store.readTile, leaf, size);
          assert.ok(verifyInclusion(leafHash(readEntry(store, leaf, size)), leaf, size, proof, root));
        }
      }
      for (const n of [0, 1, 2, 3])
        assert.equal(fs.existsSync(join(dir, 'log', `${tilePath(0, n)}.p`)), false);
      log.close();
      writer.close();
    });

    it('deletes journals that are leaves to the end once their writer has a newer one, and only those', () => {
      const log = openLog(dir);
      const first = journal('w');
      const other = journal('x');
      write(first, 0, 10);
      write(other, 10, 10);
      drain(log.sequencer);
      assert.ok(fs.existsSync(first.path) && fs.existsSync(other.path));
      write(first, 20, 10);
      const second = journal('w');
      log.sequencer.step();
      assert.ok(!fs.existsSync(first.path) && fs.existsSync(second.path) && fs.existsSync(other.path));
      assert.equal(log.sequencer.size, 31);
      log.close();
      for (const writer of [first, second, other]) writer.close();
    });

    it('takes the whole frames of a torn journal and keeps the torn file aside', () => {
      const log = openLog(dir);
      const first = journal('w');
      write(first, 0, 10);
      write(first, 10, 10);
      first.close();
      fs.truncateSync(first.path, fs.statSync(first.path).size - 3);
      const second = journal('w');
      drain(log.sequencer);
      assert.equal(log.sequencer.size, 11);
      assert.ok(!fs.existsSync(first.path) && fs.existsSync(`${first.path}.torn`));
      log.close();
      second.close();
    });

    it('names a damaged journal and the offset, and goes on with the others', () => {
      const log = openLog(dir);
      const bad = journal('bad');
      write(bad, 0, 1);
      const offset = fs.statSync(bad.path).size;
      write(bad, 1, 1);
      write(bad, 2, 1);
      bad.close();
      const bytes = fs.readFileSync(bad.path);
      bytes.writeUInt8(bytes.readUInt8(offset + 30) ^ 1, offset + 30);
      fs.writeFileSync(bad.path, bytes);
      const good = journal('good');
      write(good, 10, 5);
      assert.equal(log.sequencer.step(), 6);
      assert.throws(
        () => log.sequencer.step(),
        new RegExp(`bad-[0-9]+\\.journal is damaged at offset ${offset}`),
      );
      write(good, 20, 5);
      assert.equal(log.sequencer.step(), 5);
      assert.ok(fs.existsSync(bad.path));
      log.close();
      good.close();
    });

    it('refuses to open when tiles, its memory or the released checkpoint contradict what was signed', () => {
      const log = openLog(dir);
      const writer = journal('w');
      write(writer, 0, 600);
      drain(log.sequencer);
      log.close();
      writer.close();
      const logDir = join(dir, 'log');
      const copy = `${dir}/copy`;
      const attempt = (change: () => void): void => {
        fs.cpSync(logDir, copy, { recursive: true });
        change();
        assert.throws(() => openLog(dir), { code: 'POSTERN_INTERNAL' });
        fs.rmSync(logDir, { recursive: true });
        fs.renameSync(copy, logDir);
      };
      const sql = (statement: string): void => {
        const db = new DatabaseSync(join(logDir, 'sequencer.db'));
        db.exec(
          `DROP TRIGGER IF EXISTS log_never_shrinks; DROP TRIGGER IF EXISTS signed_never_shrinks; ${statement}`,
        );
        db.close();
      };
      attempt(() => {
        const tile = join(logDir, tilePath(0, 1));
        const bytes = fs.readFileSync(tile);
        fs.writeFileSync(tile, bytes.fill(1, 40, 41));
      });
      attempt(() => fs.rmSync(join(logDir, tilePath(0, 0))));
      attempt(() => fs.rmSync(join(logDir, 'log.key')));
      attempt(() => sql(`UPDATE log SET signed_root = zeroblob(32)`));
      attempt(() => sql(`UPDATE log SET signed_size = signed_size - 1`));
      attempt(() => sql(`UPDATE tail SET entry = x'7b7d' WHERE leaf = 590`));
      attempt(() => sql(`UPDATE log SET signed_size = NULL`));
      openLog(dir).close();
    });

    it('on a full disk fails and, once there is room, goes on without a restart and without a gap', () => {
      const child = spawnSync(process.execPath, [import.meta.filename, LIMITED, dir], { encoding: 'utf8' });
      assert.equal(child.status, 0, child.stderr);
    });
  });
}
