/** A data directory that somebody changed, or that another process has: who notices, and what is named. */
import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkData } from '../src/activity/check-data.ts';
import { Sequencing } from '../src/activity/sequencing.ts';
import { JournalWriter } from '../src/ledger/journal.ts';
import {
  checkHistory,
  command,
  KEYS,
  makeDirectory,
  makeLog,
  takeIn,
  Witnessed,
} from './support/faults-history.ts';
import { start } from './support/processes.ts';

type Damage = (dir: string) => void;

/** A log of 701 leaves (two full bundles), and as it was at 301. */
let whole = '';
let older = '';
let vkey = '';

function append(dir: string, run: string, frames: readonly number[]): void {
  const writer = JournalWriter.create(join(dir, 'journal'), 'a');
  let n = 0;
  for (const records of frames) {
    for (const end = n + records; n < end; n++) {
      const { json, payloads } = command(run, 'a', n);
      writer.append(json, payloads);
    }
    writer.flush();
  }
  writer.close();
}

/** Calls `work` with a copy of the log. */
function withCopy(work: (dir: string) => void): void {
  const dir = makeDirectory();
  try {
    cpSync(whole, dir, { recursive: true });
    work(dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const remove =
  (file: string): Damage =>
  (dir) =>
    rmSync(join(dir, file), { recursive: true });
const flip =
  (file: string, at: number): Damage =>
  (dir) => {
    const bytes = readFileSync(join(dir, file));
    const index = at < 0 ? bytes.length + at : at;
    bytes[index] = (bytes[index] as number) ^ 1;
    writeFileSync(join(dir, file), bytes);
  };
const swap =
  (one: string, other: string): Damage =>
  (dir) => {
    renameSync(join(dir, one), join(dir, 'aside'));
    renameSync(join(dir, other), join(dir, one));
    renameSync(join(dir, 'aside'), join(dir, other));
  };
const overwrite =
  (file: string, from: number, to: number): Damage =>
  (dir) => {
    writeFileSync(join(dir, file), readFileSync(join(dir, file)).fill(0xff, from, to));
  };
const putBack =
  (file: string): Damage =>
  (dir) =>
    cpSync(join(older, file), join(dir, file));
const sql =
  (file: string, statement: string): Damage =>
  (dir) => {
    const db = new DatabaseSync(join(dir, file));
    assert.notEqual(db.prepare(statement).run().changes, 0, 'something was changed');
    db.close();
  };

/** What `postern ledger check` finds, an error each line. */
function checked(dir: string): string {
  try {
    const findings = [...checkData({ dataDir: dir, keys: KEYS, vkey })];
    const errors = findings.filter(({ severity }) => severity === 'error');
    return errors.map(({ file, message }) => `${file}: ${message}`).join('\n');
  } catch (error) {
    return `cannot check: ${(error as Error).message}`;
  }
}

/** Why Postern does not start; empty where it does. */
function started(dir: string): string {
  try {
    takeIn(dir);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

before(() => {
  whole = makeDirectory();
  older = makeDirectory();
  makeLog(whole, 300);
  cpSync(whole, older, { recursive: true });
  append(
    whole,
    'second',
    Array.from({ length: 8 }, () => 50),
  );
  vkey = takeIn(whole);
  assert.equal(checked(whole), '');
});
after(() => {
  for (const dir of [whole, older]) rmSync(dir, { recursive: true, force: true });
});

describe('postern ledger check names', () => {
  const cases: readonly (readonly [what: string, damage: Damage, named: RegExp])[] = [
    ['a deleted tile', remove('log/tile/0/000'), /^log\/tile\/0\/000: is missing/],
    ['an altered tile', flip('log/tile/0/001', 100), /^log\/tile\/0\/001: the hash of leaf 259 is not/],
    ['an altered tile above', flip('log/tile/1/000.p/2', 10), /^log\/tile\/1\/000\.p\/2: the hashes/],
    ['a deleted partial tile', remove('log/tile/0/002.p'), /^log\/tile\/0\/002\.p\/189: is missing/],
    [
      'an altered partial tile',
      flip('log/tile/0/002.p/189', 40),
      /^log\/tile\/0\/002\.p\/189: the hash of leaf 513/,
    ],
    [
      'swapped tiles',
      swap('log/tile/0/000', 'log/tile/0/001'),
      /^log\/tile\/0\/000: .*\n(.*\n)*log\/tile\/0\/001: /,
    ],
    ['a deleted bundle', remove('log/tile/entries/000'), /^log\/tile\/entries\/000: is missing/],
    [
      'an altered bundle',
      flip('log/tile/entries/001', 5000),
      /^log\/tile\/entries\/001: the entry of leaf \d+ is not the one/,
    ],
    [
      'an altered partial bundle',
      flip('log/tile/entries/002.p/189', 5000),
      /^log\/tile\/entries\/002\.p\/189: the entry of leaf/,
    ],
    [
      'swapped bundles',
      swap('log/tile/entries/000', 'log/tile/entries/001'),
      /entries\/000: the entry of leaf 0 .*\n(.*\n)*.*entries\/001: the entry of leaf 256 /,
    ],
    ['a deleted checkpoint', remove('log/checkpoint'), /no checkpoint in .*log/],
    ['an altered checkpoint', flip('log/checkpoint', 40), /signature .* does not fit/],
    ['a deleted index', remove('index.db'), /^index\.db: is missing/],
    [
      'an altered row of the index',
      sql('index.db', 'UPDATE events SET principal = 0 WHERE leaf = 7'),
      /^index\.db: table events: row 7 /,
    ],
    ['a page of the index', overwrite('index.db', 4096 * 3, 4096 * 9), /^index\.db: cannot be read/],
    [
      'an altered payload',
      sql('payloads.db', 'UPDATE blocks SET sealed = zeroblob(60) WHERE n = 3'),
      /^payloads\.db: the statement of leaf 3 \(record [0-9a-f-]{36}\) cannot be read/,
    ],
    [
      'a deleted payload',
      sql('payloads.db', 'DELETE FROM blocks WHERE n = 3'),
      /^payloads\.db: the statement of leaf 3 \(record [0-9a-f-]{36}\) is missing, and no record says that it was erased/,
    ],
    ['deleted payloads', remove('payloads.db'), /^payloads\.db: is missing/],
    [
      'payloads that are no database',
      overwrite('payloads.db', 0, 8192),
      /payloads\.db is damaged: file is not a database/,
    ],
  ];
  for (const [what, damage, named] of cases) {
    it(what, () =>
      withCopy((dir) => {
        damage(dir);
        assert.match(checked(dir), named);
      }),
    );
  }

  it('a journal that was altered, with the offset; the sequencer stops at it and says so', () =>
    withCopy((dir) => {
      append(dir, 'third', [3, 3, 3]);
      const file = readdirSync(join(dir, 'journal')).sort().at(-1) as string;
      flip(`journal/${file}`, 100)(dir);
      assert.match(checked(dir), new RegExp(`^journal/${file}: is damaged at offset \\d+`));
      assert.match(started(dir), new RegExp(`The journal ${file} is damaged at offset \\d+`));
    }));
});

describe('a start is refused, with the reason, where', () => {
  const db = 'log/sequencer.db';
  const cases: readonly (readonly [what: string, damage: Damage, reason: RegExp])[] = [
    ['a tile is gone', remove('log/tile/0/000'), /tile\/0\/000: is missing/],
    ['a tile was altered', flip('log/tile/0/001', 100), /do not give the root that was saved for 701 leaves/],
    ['tiles were swapped', swap('log/tile/0/000', 'log/tile/0/001'), /do not give the root/],
    [
      'the checkpoint was altered',
      flip('log/checkpoint', 40),
      /log\/checkpoint is not a checkpoint of this log/,
    ],
    ['the signing key is gone', remove('log/log.key'), /log\.key is missing/],
    ['sequencer.db is gone', remove(db), /checkpoint of 701 leaves, of which sequencer\.db knows nothing/],
    [
      'sequencer.db is an old one',
      putBack(db),
      /checkpoint of 701 leaves, of which sequencer\.db knows nothing/,
    ],
    [
      'sequencer.db forgot what it signed',
      sql(db, 'UPDATE log SET signed_size = NULL, signed_root = NULL, signed_note = NULL'),
      /of which sequencer\.db knows nothing/,
    ],
    [
      'sequencer.db is no database',
      overwrite(db, 0, 8192),
      /sequencer\.db is damaged: file is not a database/,
    ],
    ['a page of sequencer.db was overwritten', overwrite(db, 4096, 8192), /sequencer\.db is damaged/],
    ['sequencer.db has another root', sql(db, 'UPDATE log SET root = zeroblob(32)'), /do not give the root/],
    [
      'sequencer.db has another size',
      sql(db, 'UPDATE log SET size = size + 1'),
      /189 entries of the unfinished bundle, and of 702 leaves 190/,
    ],
    [
      'sequencer.db lost the unfinished bundle',
      sql(db, 'DELETE FROM tail'),
      /sequencer\.db has 0 entries of the unfinished bundle/,
    ],
    [
      'an entry in sequencer.db was altered',
      sql(db, "UPDATE tail SET entry = CAST(replace(CAST(entry AS TEXT), 'batch', 'betch') AS BLOB)"),
      /do not give the root/,
    ],
    ['the payloads are no database', overwrite('payloads.db', 0, 8192), /payloads\.db is damaged/],
  ];
  for (const [what, damage, reason] of cases) {
    it(what, () =>
      withCopy((dir) => {
        damage(dir);
        assert.match(started(dir), reason);
      }),
    );
  }

  it('another process has the log, and not any more when that one was killed', async () => {
    const dir = makeDirectory();
    cpSync(whole, dir, { recursive: true });
    const writer = fileURLToPath(new URL('./support/faults-writer.ts', import.meta.url));
    const other = await start(process.execPath, [writer, dir, 'other'], { keepStdin: true });
    try {
      await other.waitFor(/ready/);
      assert.throws(() => Sequencing.open({ dataDir: dir, keys: KEYS }), {
        code: 'POSTERN_CONFLICT',
        message: /Another process is using .*sequencer\.db/,
      });
      await other.stop('SIGKILL');
      checkHistory(dir, new Witnessed());
    } finally {
      await other.stop('SIGKILL');
      rmSync(dir, { recursive: true });
    }
  });
});

describe('a start puts right by itself', () => {
  const cases: readonly (readonly [what: string, damage: Damage])[] = [
    ['a checkpoint that is gone', remove('log/checkpoint')],
    ['a checkpoint that is an old one', putBack('log/checkpoint')],
    ['an index that is gone', remove('index.db')],
    ['an index that is no database', overwrite('index.db', 0, 8192)],
    ['an index with overwritten pages', overwrite('index.db', 4096 * 3, 4096 * 9)],
    ['an index of another history', sql('index.db', "UPDATE meta SET value = 5000 WHERE key = 'size'")],
    ['a verifier key that is gone', remove('log/log.vkey')],
  ];
  for (const [what, damage] of cases) {
    it(what, () =>
      withCopy((dir) => {
        damage(dir);
        checkHistory(dir, new Witnessed());
        assert.equal(checked(dir), '');
      }),
    );
  }

  it('a journal that ends in an unfinished frame, cut at any byte: what came before is in the log, the end is kept aside', () => {
    const dir = makeDirectory();
    append(dir, 'run', [2, 1]);
    const file = readdirSync(join(dir, 'journal'))[0] as string;
    const bytes = readFileSync(join(dir, 'journal', file));
    // Behind the header of eight bytes a frame has a header of twelve, which begins with its length.
    const firstEnds = 20 + bytes.readUInt32BE(8);
    for (let cut = firstEnds; cut < bytes.length; cut++) {
      const copy = makeDirectory();
      cpSync(dir, copy, { recursive: true });
      truncateSync(join(copy, 'journal', file), cut);
      // The next start of a writer: it begins a file behind the torn one.
      append(copy, 'next', [1]);
      takeIn(copy);
      const checkpoint = readFileSync(join(copy, 'log', 'checkpoint'), 'utf8');
      assert.equal(
        checkpoint.split('\n')[1],
        '4',
        `cut at ${cut}: the log's own leaf, two whole ones and the next`,
      );
      const left = readdirSync(join(copy, 'journal'));
      assert.equal(left.includes(`${file}.torn`), cut > firstEnds, `cut at ${cut}`);
      if (cut % 20 === 0) {
        const witnessed = new Witnessed();
        witnessed.written.set('run a', 2);
        witnessed.written.set('next a', 1);
        checkHistory(copy, witnessed);
      }
      rmSync(copy, { recursive: true });
    }
    rmSync(dir, { recursive: true });
  });
});
