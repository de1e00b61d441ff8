import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { DataKeys } from '../core/data-keys.ts';
import { uuidv7 } from '../core/ids.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import { JournalWriter } from '../ledger/journal.ts';
import { PayloadStore } from '../ledger/payloads.ts';
import { Sequencer } from '../ledger/sequencer.ts';
import type { Finding } from '../ledger/verify.ts';
import { checkData } from './check-data.ts';
import { rebuildIndex } from './rebuild-index.ts';
import { indexAll } from './story.fixture.ts';

const KEYS = DataKeys.of(Buffer.alloc(32, 7));
const COMMANDS = 400;

let dir = '';
beforeEach(() => {
  dir = fs.mkdtempSync(join(tmpdir(), 'postern-check-data-'));
  fill();
});
afterEach(() => fs.rmSync(dir, { recursive: true }));

/** Commands of two principals with their texts and outcomes. */
function fill(): void {
  const journal = JournalWriter.create(join(dir, 'journal'), 'worker');
  for (let i = 0; i < COMMANDS; i++) {
    const principal = { id: `p${i % 2}`, name: `batch-${i % 2}` };
    const base = { time: rfc3339(nowMicros()), actor: { kind: 'principal', ...principal }, principal };
    const intent = uuidv7();
    const text = { kind: 'statement' as const, data: Buffer.from(`select ${i % 40}`) };
    journal.append(JSON.stringify({ id: intent, type: 'command.intent', ...base, verbs: ['select'] }), [
      text,
    ]);
    journal.append(JSON.stringify({ id: uuidv7(), type: 'command.outcome', ...base, intent, status: 'ok' }));
    journal.flush();
  }
  journal.close();
  const payloads = PayloadStore.open(join(dir, 'payloads.db'), KEYS);
  const sequencer = Sequencer.open({ dir, payloads });
  while (sequencer.step(97) > 0);
  sequencer.close();
  indexAll(dir);
  payloads.close();
}

function found(keys: DataKeys | null = KEYS): Finding[] {
  return [...checkData({ dataDir: dir, keys })];
}

const told = (findings: readonly Finding[]): string[] =>
  findings.map(({ file, message }) => `${file}: ${message}`);

function sql(file: string, statement: string): void {
  const db = new DatabaseSync(join(dir, file));
  db.exec(`PRAGMA ignore_check_constraints = 1; ${statement}`);
  db.close();
}

describe('the check of a data directory', () => {
  it('finds nothing wrong where nothing is, says what it looked at, and leaves nothing behind', () => {
    const before = fs.readdirSync(tmpdir()).filter((name) => name.startsWith('postern-check-'));
    const walk = checkData({ dataDir: dir, keys: KEYS });
    const { done, value } = walk.next();
    assert.ok(done, JSON.stringify(value));
    assert.deepEqual(
      [value.size, value.principals, value.payloads, value.journals],
      [1 + 2 * COMMANDS, 2, { checked: COMMANDS, erased: 0 }, 1],
    );
    const after = fs.readdirSync(tmpdir()).filter((name) => name.startsWith('postern-check-'));
    assert.deepEqual(
      after.filter((name) => !before.includes(name) && !/data/.test(name)),
      [],
    );
  });

  it('without the master key it checks all but the payloads, and with a wrong one it says that none can be read', () => {
    assert.deepEqual(found(null), []);
    const wrong = found(DataKeys.of(Buffer.alloc(32, 8)));
    assert.ok(wrong.length >= 80 && wrong.every(({ file }) => file === 'payloads.db'));
  });

  it('names the leaf whose payload is gone, altered, or destroyed without a record of it', () => {
    sql('payloads.db', 'DELETE FROM blocks WHERE n = 1');
    const [gone = ''] = told(found()).map((line) => line.replace(/leaf \d+/, 'leaf'));
    sql('payloads.db', "UPDATE blocks SET sealed = CAST(x'00' || substr(sealed, 2) AS BLOB) WHERE n = 2");
    const [altered = ''] = told(found())
      .filter((line) => !line.includes('missing'))
      .map((line) => line.replace(/leaf \d+/, 'leaf'));
    assert.match(
      gone,
      /^payloads.db: the statement of leaf \(record [0-9a-f-]{36}\) is missing, and no record says that it was erased \(commitment [0-9a-f]{64}\)$/,
    );
    assert.match(altered, /^payloads.db: the statement of leaf \(record [0-9a-f-]{36}\) cannot be read/);
    const plan = JSON.stringify({ record: uuidv7(), time: '', by: { id: 'x', name: 'x' }, reason: '' });
    sql(
      'payloads.db',
      `PRAGMA foreign_keys = 0; INSERT INTO erasures (n, state, plan) VALUES (9, 'done', '${plan}')`,
    );
    sql('payloads.db', 'INSERT INTO erased SELECT substr(commitments, 1, 32), 9 FROM blocks WHERE n = 2');
    sql('payloads.db', 'DELETE FROM blocks WHERE n = 2');
    assert.match(
      told(found()).at(-1) ?? '',
      /was destroyed, and the record that is to say why, .* is not in the log/,
    );
  });

  it('names the rows of the index that do not follow from the log; a rebuilt index is right again', () => {
    sql('index.db', 'UPDATE events SET decision = 2 WHERE leaf = 5');
    sql('index.db', 'DELETE FROM events WHERE leaf = 7');
    sql('index.db', "UPDATE outcomes SET status = 'error' WHERE intent = 9");
    sql('index.db', "INSERT INTO details (leaf, reason) VALUES (11, 'made up')");
    assert.deepEqual(told(found()), [
      'index.db: table events: row 5 is not what the log says',
      'index.db: table events: row 7 is missing',
      'index.db: table details: row 11 does not follow from the log',
      'index.db: table outcomes: row 9 is not what the log says',
    ]);
    const shown: number[] = [];
    assert.equal(
      rebuildIndex(dir, (done) => shown.push(done)),
      1 + 2 * COMMANDS,
    );
    assert.equal(shown.at(-1), 1 + 2 * COMMANDS);
    assert.deepEqual(found(), []);
  });

  it('an index of fewer leaves, of none, or that is no database is named', () => {
    sql('index.db', "UPDATE meta SET value = 100 WHERE key = 'size'");
    assert.deepEqual(told(found()), [`index.db: has 100 leaves, and the log ${1 + 2 * COMMANDS}`]);
    fs.writeFileSync(join(dir, 'index.db'), 'no database'.repeat(1000));
    assert.match(told(found())[0] ?? '', /^index.db: cannot be read/);
    fs.rmSync(join(dir, 'index.db'));
    assert.deepEqual(told(found()), ['index.db: is missing']);
  });

  it('a leaf that was changed is named, and the index is compared as far as the leaves can be believed', () => {
    const bundle = join(dir, 'log', 'tile', 'entries', '001');
    const bytes = fs.readFileSync(bundle, 'latin1');
    fs.writeFileSync(bundle, bytes.replace('"batch-1"', '"batch-9"'), 'latin1');
    const [first] = found();
    assert.equal(first?.file, 'log/tile/entries/001');
    assert.match(first?.message ?? '', /the entry of leaf \d+ is not the one that was signed/);
  });

  it('a damaged journal is named with the offset; a torn end is a note', () => {
    const writer = JournalWriter.create(join(dir, 'journal'), 'other');
    const offsets: number[] = [];
    for (let i = 0; i < 3; i++) {
      offsets.push(fs.statSync(writer.path).size);
      writer.append(JSON.stringify({ id: uuidv7(), i }));
      writer.flush();
    }
    writer.close();
    const bytes = fs.readFileSync(writer.path);
    fs.writeFileSync(writer.path, bytes.subarray(0, -3));
    const file = `journal/${writer.path.split('/').at(-1)}`;
    assert.deepEqual(
      found().map(({ severity, file: at }) => [severity, at]),
      [['info', file]],
    );
    bytes.writeUInt8(bytes.readUInt8((offsets[1] ?? 0) + 20) ^ 1, (offsets[1] ?? 0) + 20);
    fs.writeFileSync(writer.path, bytes);
    const [damage] = found();
    assert.deepEqual([damage?.severity, damage?.file], ['error', file]);
    assert.match(damage?.message ?? '', new RegExp(`is damaged at offset ${offsets[1]}:`));
  });

  it('a rebuild that fails leaves the old index as it was', () => {
    const before = fs.readFileSync(join(dir, 'index.db'));
    fs.rmSync(join(dir, 'log', 'tile', 'entries', '001'));
    assert.throws(() => rebuildIndex(dir, () => undefined), { code: 'POSTERN_INTERNAL' });
    assert.deepEqual(fs.readFileSync(join(dir, 'index.db')), before);
    assert.ok(!fs.existsSync(join(dir, 'index.db.new')));
  });
});
