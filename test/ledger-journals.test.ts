/** Journals that are deleted, cut, copied or put back, and a sequencer whose memory was changed: nothing goes unsaid, twice or missing. */
import assert from 'node:assert/strict';
import { copyFileSync, cpSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { checkData } from '../src/activity/check-data.ts';
import { Sequencing } from '../src/activity/sequencing.ts';
import { JournalWriter } from '../src/ledger/journal.ts';
import { entries, TileStore } from '../src/ledger/tiles.ts';
import { command, KEYS, makeDirectory, makeLog, takeIn } from './support/faults-history.ts';

interface Leaf {
  readonly id: string;
  readonly type: string;
  readonly test?: { readonly run: string; readonly n: number };
  readonly lost?: readonly { readonly file: string; readonly what: string }[];
  readonly repeated?: readonly { readonly file: string; readonly records: number }[];
  readonly corrected?: number;
}

describe('journals and the memory of the sequencer', () => {
  let dir = '';
  beforeEach(() => {
    dir = makeDirectory();
    makeLog(dir, 300);
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const open = (): Sequencing => Sequencing.open({ dataDir: dir, keys: KEYS });
  const drain = (sequencing: Sequencing): void => {
    while (sequencing.step() > 0);
    sequencing.checkpoint();
  };
  const journals = (): string[] => readdirSync(join(dir, 'journal')).sort();
  const write = (writer: JournalWriter, run: string, from: number, count: number): void => {
    for (let n = from; n < from + count; n++) {
      const { json, payloads } = command(run, 'w', n);
      writer.append(json, payloads);
    }
    writer.flush();
  };
  const leaves = (): Leaf[] => {
    const size = Number(readFileSync(join(dir, 'log', 'checkpoint'), 'utf8').split('\n')[1]);
    return [...entries(new TileStore(join(dir, 'log')), 0, size)].map(
      ({ entry }) => JSON.parse(entry.toString()) as Leaf,
    );
  };
  const ofRun = (run: string): (number | undefined)[] =>
    leaves()
      .filter(({ test }) => test?.run === run)
      .map(({ test }) => test?.n);
  const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
  const found = (severity: 'error' | 'info' = 'error'): string[] =>
    [...checkData({ dataDir: dir, keys: KEYS })]
      .filter((finding) => finding.severity === severity && finding.file !== 'index.db')
      .map(({ file, message }) => `${file}: ${message}`);
  const sql = (statement: string): void => {
    const db = new DatabaseSync(join(dir, 'log', 'sequencer.db'));
    assert.notEqual(db.prepare(statement).run().changes, 0, 'something was changed');
    db.close();
  };
  const noneTwice = (): void => {
    const ids = leaves().map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
  };

  it('a journal that is deleted while it is written to: the loss is named and recorded, and the writer goes on in another', async () => {
    const sequencing = open();
    const writer = JournalWriter.create(join(dir, 'journal'), 'w');
    write(writer, 'run', 0, 5);
    drain(sequencing);
    write(writer, 'run', 5, 5);
    rmSync(writer.path);
    drain(sequencing);
    const { losses } = sequencing.status();
    assert.equal(losses.length, 1);
    await new Promise((resolve) => setTimeout(resolve, 120));
    write(writer, 'run', 10, 5);
    drain(sequencing);
    const [loss] = leaves().flatMap(({ lost }) => lost ?? []);
    assert.equal(loss?.what, 'missing');
    assert.match(losses[0] ?? '', new RegExp(`^The journal ${loss?.file} `));
    assert.deepEqual(ofRun('run'), [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]);
    writer.close();
    sequencing.close();
    assert.match(found().join('\n'), new RegExp(`^journal/${loss?.file}: was gone, read up to offset \\d+`));
    // It stays known, and is said once.
    const again = open();
    assert.equal(again.status().losses.length, 1);
    again.close();
    assert.equal(leaves().filter(({ lost }) => lost !== undefined).length, 1);
  });

  it('a journal that is deleted while nothing runs is named by the check, and recorded at the next start', () => {
    const sequencing = open();
    const writer = JournalWriter.create(join(dir, 'journal'), 'w');
    write(writer, 'run', 0, 5);
    drain(sequencing);
    sequencing.close();
    write(writer, 'run', 5, 5);
    writer.close();
    rmSync(writer.path);
    assert.match(found().join('\n'), /^journal\/w-\d+\.journal: is missing: it was read up to offset \d+/);
    takeIn(dir);
    assert.match(found().join('\n'), /^journal\/w-\d+\.journal: was gone/);
    assert.deepEqual(ofRun('run'), upTo(5));
  });

  it('a journal that ends before what was taken from it (power was cut) does not keep the log from going on, and is recorded', () => {
    const sequencing = open();
    const writer = JournalWriter.create(join(dir, 'journal'), 'w');
    write(writer, 'run', 0, 5);
    write(writer, 'run', 5, 5);
    drain(sequencing);
    sequencing.close();
    writer.close();
    truncateSync(writer.path, 100);
    const next = JournalWriter.create(join(dir, 'journal'), 'w');
    write(next, 'next', 0, 3);
    next.close();
    takeIn(dir);
    assert.match(found().join('\n'), /^journal\/w-\d+\.journal: ended before offset \d+/);
    assert.deepEqual([ofRun('run'), ofRun('next')], [upTo(10), upTo(3)]);
    noneTwice();
  });

  it('a journal that the sequencer deletes itself is no loss', () => {
    const first = JournalWriter.create(join(dir, 'journal'), 'w');
    write(first, 'run', 0, 5);
    first.close();
    JournalWriter.create(join(dir, 'journal'), 'w').close();
    takeIn(dir);
    assert.equal(existsSync(first.path), false);
    takeIn(dir);
    assert.deepEqual(found(), []);
  });

  const memory: readonly (readonly [what: string, statement: string])[] = [
    ['positions that are gone', 'DELETE FROM journals'],
    ['positions that were set back', 'UPDATE journals SET position = 0, skip = 0'],
    ['positions that were set forward', 'UPDATE journals SET position = position + 1000000'],
    ['numbers of principals that were raised', 'UPDATE sequences SET next = next + 7'],
    ['numbers of principals that were lowered', 'UPDATE sequences SET next = next - 3'],
    ['numbers of principals that are gone', 'DELETE FROM sequences'],
    ['a number of a principal that never was', "INSERT INTO sequences VALUES ('p-none', 9)"],
    ['a seal that is gone', 'DELETE FROM seal'],
  ];
  for (const [what, statement] of memory) {
    it(`${what}: nothing is taken twice, left out or counted wrong`, () => {
      const sequencing = open();
      const writer = JournalWriter.create(join(dir, 'journal'), 'w');
      write(writer, 'run', 0, 50);
      drain(sequencing);
      sequencing.close();
      write(writer, 'run', 50, 20);
      writer.close();
      sql(statement);
      if (statement.includes('sequences')) {
        assert.match(
          found().join('\n'),
          /^log\/sequencer\.db: says that p-\w+ has \d+ records, and the log has/,
        );
      }
      takeIn(dir);
      assert.deepEqual(found(), []);
      assert.deepEqual(ofRun('run'), upTo(70));
      noneTwice();
      const corrected = leaves().filter((leaf) => leaf.corrected !== undefined);
      assert.equal(corrected.length, statement.includes('sequences') ? 1 : 0);
    });
  }

  it('memory that was changed is not trusted either after a crash in the middle of putting it right', () => {
    const sequencing = open();
    const writer = JournalWriter.create(join(dir, 'journal'), 'w');
    write(writer, 'run', 0, 50);
    drain(sequencing);
    sequencing.close();
    write(writer, 'run', 50, 20);
    writer.close();
    sql('UPDATE journals SET position = 0');
    // Opened, and no step made: what was saved is copied away, as a crash would leave it.
    const half = open();
    const copy = makeDirectory();
    cpSync(dir, copy, { recursive: true });
    half.close();
    rmSync(dir, { recursive: true });
    dir = copy;
    takeIn(dir);
    assert.deepEqual(ofRun('run'), upTo(70));
    noneTwice();
  });

  it('a journal that is copied, or put back after it was deleted, is not taken twice, and that is recorded', () => {
    const sequencing = open();
    const writer = JournalWriter.create(join(dir, 'journal'), 'w');
    write(writer, 'run', 0, 50);
    drain(sequencing);
    const aside = join(dir, 'aside');
    copyFileSync(writer.path, aside);
    write(writer, 'run', 50, 10);
    writer.rotate();
    write(writer, 'run', 60, 10);
    drain(sequencing);
    copyFileSync(aside, join(dir, 'journal', 'other-1000.journal'));
    drain(sequencing);
    // Together with records that are new: its own file is there twice from the beginning.
    const fresh = JournalWriter.create(join(dir, 'journal'), 'v');
    write(fresh, 'fresh', 0, 10);
    copyFileSync(fresh.path, join(dir, 'journal', 'v2-1000.journal'));
    drain(sequencing);
    sequencing.close();
    writer.close();
    fresh.close();
    assert.deepEqual(ofRun('run'), upTo(70));
    assert.deepEqual(ofRun('fresh'), upTo(10));
    noneTwice();
    const repeated = leaves().flatMap((leaf) => leaf.repeated ?? []);
    assert.deepEqual(
      repeated.map(({ records }) => records),
      [50, 10],
    );
    assert.deepEqual(found(), []);
    assert.match(found('info').join('\n'), /^journal\/other-1000\.journal: had 50 records again/m);
    assert.ok(journals().includes('other-1000.journal'));
  });
});
