import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { DataKeys } from '../core/data-keys.ts';
import { commitmentOf } from './payload-seal.ts';
import { PayloadStore } from './payloads.ts';

const KEY = DataKeys.of(Buffer.alloc(32, 7));
const DAY = '2026-11-21';
const text = Buffer.from("insert into ledger.entries values (1, 'secret')");

let dir = '';
let file = '';
let store: PayloadStore;
beforeEach(() => {
  dir = fs.mkdtempSync(join(tmpdir(), 'postern-payloads-'));
  file = join(dir, 'payloads.db');
  store = PayloadStore.open(file, KEY);
});
afterEach(() => {
  store.close();
  fs.rmSync(dir, { recursive: true });
});

function reopen(key = KEY): void {
  store.close();
  store = PayloadStore.open(file, key);
}

function change(sql: string): void {
  const db = new DatabaseSync(file);
  db.exec(sql);
  db.close();
}

describe('payload store', () => {
  it('gives back the payload with the salt that its commitment was made with', () => {
    const { commitment, bytes } = store.put('p1', DAY, 'statement', text);
    assert.equal(bytes, text.length);
    reopen();
    const stored = store.get(commitment);
    assert.ok(stored && stored !== 'erased');
    assert.deepEqual(
      { ...stored, salt: stored.salt.length },
      { data: text, salt: 16, kind: 'statement', principalId: 'p1', day: DAY },
    );
    assert.equal(commitmentOf(stored.salt, stored.data), commitment);
    assert.equal(store.get('00'.repeat(32)), null);
  });

  it('stores equal texts of one principal and day once, and tells nobody that others sent the same', () => {
    const first = store.put('p1', DAY, 'statement', text).commitment;
    reopen();
    assert.equal(store.put('p1', DAY, 'statement', text).commitment, first);
    const others = [
      store.put('p2', DAY, 'statement', text),
      store.put('p1', '2026-11-22', 'statement', text),
      store.put('p1', DAY, 'parameters', text),
    ];
    assert.equal(new Set([first, ...others.map(({ commitment }) => commitment)]).size, 4);
    const db = new DatabaseSync(file, { readOnly: true });
    assert.equal(db.prepare('SELECT sum(length(commitments)) / 32 AS n FROM blocks').get()?.n, 4);
    db.close();
  });

  it('has nothing readable in its files, which are the owner’s alone', () => {
    store.put('p1', DAY, 'statement', text);
    for (const name of fs.readdirSync(dir)) {
      assert.equal(fs.readFileSync(join(dir, name)).includes('secret'), false, name);
      assert.equal(fs.statSync(join(dir, name)).mode & 0o077, 0, name);
    }
  });

  it('takes payloads of no and of many bytes', () => {
    for (const data of [Buffer.alloc(0), Buffer.alloc(3_000_000, 5)]) {
      const stored = store.get(store.put('-', DAY, 'parameters', data).commitment);
      assert.ok(stored && stored !== 'erased');
      assert.deepEqual(stored.data, data);
    }
  });

  it('forgets a batch that was rolled back, so that the same payload is stored again', () => {
    store.begin();
    const { commitment } = store.put('p1', DAY, 'statement', text);
    store.rollback();
    assert.equal(store.get(commitment), null);
    store.begin();
    const again = store.put('p1', DAY, 'statement', text).commitment;
    store.commit();
    reopen();
    assert.notEqual(store.get(again), null);
    store.rollback();
  });

  it('refuses what was altered, swapped, or written with another master key', () => {
    const one = store.put('p1', DAY, 'statement', text).commitment;
    const two = store.put('p1', DAY, 'statement', Buffer.from('select 2')).commitment;
    const other = store.put('p2', DAY, 'statement', Buffer.from('select 3')).commitment;
    reopen(DataKeys.of(Buffer.alloc(32, 8)));
    assert.throws(() => store.get(one), { code: 'POSTERN_INTERNAL' });
    store.close();
    change(
      `UPDATE blocks SET sealed = (SELECT sealed FROM blocks WHERE commitments = x'${two}') WHERE commitments = x'${one}'`,
    );
    change(
      `UPDATE data_keys SET wrapped = (SELECT wrapped FROM data_keys WHERE principal = 'p1') WHERE principal = 'p2'`,
    );
    store = PayloadStore.open(file, KEY);
    assert.throws(() => store.get(one), { code: 'POSTERN_INTERNAL' });
    assert.throws(() => store.get(other), { code: 'POSTERN_INTERNAL' });
    assert.notEqual(store.get(two), null);
  });

  it('wants a key of 32 bytes', () => {
    assert.throws(() => DataKeys.of(Buffer.alloc(31)), RangeError);
  });

  it('stores many payloads of a batch together, of any lengths, and gives back each', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.constantFrom('p1', 'p2'),
            fc.constantFrom('statement' as const, 'parameters' as const),
            fc.oneof(
              fc.uint8Array({ maxLength: 40 }),
              fc.nat(20_000).map((n) => new Uint8Array(n).fill(n)),
            ),
          ),
          { maxLength: 200 },
        ),
        (all) => {
          store.begin();
          const put = all.map(([id, kind, data]) => store.put(id, DAY, kind, data).commitment);
          store.commit();
          for (const [i, [principalId, kind, data]] of all.entries()) {
            const stored = store.get(put[i] ?? '');
            assert.ok(stored && stored !== 'erased');
            assert.deepEqual(
              [stored.data, stored.principalId, stored.kind],
              [Buffer.from(data), principalId, kind],
            );
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it('takes over a store of version 0.1, which had a row for each payload, with what was erased of it', () => {
    const kept = store.put('p1', DAY, 'statement', text).commitment;
    const gone = store.put('p1', DAY, 'statement', Buffer.from('select 2')).commitment;
    const after = store.put('p2', DAY, 'parameters', Buffer.from('[3]')).commitment;
    store.close();
    const plan = JSON.stringify({ record: 'r1', time: 't', by: { id: 'a', name: 'Ana' }, reason: 'why' });
    change(`
      CREATE TABLE payloads (
        n INTEGER PRIMARY KEY,
        commitment BLOB NOT NULL UNIQUE CHECK (length(commitment) = 32),
        key INTEGER NOT NULL REFERENCES data_keys (n),
        sealed BLOB,
        erasure INTEGER REFERENCES erasures (n),
        CONSTRAINT erased_payload_is_gone CHECK (erasure IS NULL OR sealed IS NULL)
      ) STRICT;
      CREATE INDEX payloads_by_key ON payloads (key);
      INSERT INTO payloads SELECT n, commitments, key, sealed, NULL FROM blocks;
      INSERT INTO erasures VALUES (1, 'done', '${plan}');
      UPDATE payloads SET sealed = NULL, erasure = 1 WHERE commitment = x'${gone}';
      DROP TABLE blocks; DROP TABLE place_rows; DROP TABLE place_nodes; DROP TABLE placed; DROP TABLE erased;
    `);
    store = PayloadStore.open(file, KEY);
    for (const [commitment, data] of [
      [kept, text],
      [after, Buffer.from('[3]')],
    ] as const) {
      const stored = store.get(commitment);
      assert.ok(stored && stored !== 'erased');
      assert.deepEqual(stored.data, data);
    }
    assert.equal(store.get(gone), 'erased');
    assert.equal(store.erasure(gone)?.reason, 'why');
    assert.equal(store.put('p1', DAY, 'statement', text).commitment, kept);
    assert.throws(() => change('SELECT * FROM payloads'), /no such table/);
  });

  it('takes over a store with blocks and another index of what is in them', () => {
    const commitments = ['1', '2', '3'].map((n) => store.put(`p${n}`, DAY, 'statement', text).commitment);
    store.close();
    change(
      'DROP TABLE place_rows; DROP TABLE place_nodes; DROP TABLE placed;' +
        'CREATE TABLE runs (n INTEGER PRIMARY KEY); CREATE TABLE places (n INTEGER PRIMARY KEY)',
    );
    store = PayloadStore.open(file, KEY);
    for (const commitment of commitments) assert.notEqual(store.get(commitment), null);
    assert.equal(store.put('p2', DAY, 'statement', text).commitment, commitments[1]);
    for (const table of ['runs', 'places'])
      assert.throws(() => change(`SELECT * FROM ${table}`), /no such table/);
  });
});
