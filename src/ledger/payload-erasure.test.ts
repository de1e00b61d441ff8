import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { DataKeys } from '../core/data-keys.ts';
import { type ErasurePlan, type Found, PayloadErasure, type Selection } from './payload-erasure.ts';
import { PayloadStore } from './payloads.ts';

const KEY = DataKeys.of(Buffer.alloc(32, 7));
const DAY = '2026-11-21';
const ALL = ['statement', 'parameters', 'record'] as const;
const text = Buffer.from("update accounts set owner = 'Erika Mustermann'");

let dir = '';
let file = '';
let store: PayloadStore;
let erasure: PayloadErasure;
beforeEach(() => {
  dir = fs.mkdtempSync(join(tmpdir(), 'postern-erasure-'));
  file = join(dir, 'payloads.db');
  store = PayloadStore.open(file, KEY);
  erasure = PayloadErasure.open(file, KEY);
});
afterEach(() => {
  store.close();
  erasure.close();
  fs.rmSync(dir, { recursive: true });
});

function planOf(selection: Selection, record = 'r1'): ErasurePlan {
  return {
    record,
    time: '2026-12-01T00:00:00.000000Z',
    by: { kind: 'person', id: 'a', name: 'Ana' },
    reason: 'asked for by the customer',
    cause: 'request',
    of: null,
    selection,
  };
}

function rows(sql: string): readonly Record<string, unknown>[] {
  const db = new DatabaseSync(file, { readOnly: true });
  const found = db.prepare(sql).all();
  db.close();
  return found;
}

/** Every byte of every file of the store, as one searches a stolen disk. */
function bytesOfFiles(): Buffer {
  return Buffer.concat(fs.readdirSync(dir).map((name) => fs.readFileSync(join(dir, name))));
}

const erase = async (selection: Selection, record = 'r1'): Promise<Found | null> => {
  const found = await erasure.destroy(planOf(selection, record), async () => undefined);
  assert.equal(await erasure.clean(true), true);
  return found;
};

describe('erasure of payloads', () => {
  it('destroys one text, keeps the others of that day, and says who, when and why', async () => {
    const gone = store.put('p1', DAY, 'statement', text).commitment;
    const kept = store.put('p1', DAY, 'statement', Buffer.from('select 1')).commitment;
    const found = await erase({ commitments: [gone] });
    assert.deepEqual(found, {
      principalId: 'p1',
      day: DAY,
      kinds: ['statement'],
      payloads: 1,
      commitments: [gone],
    });
    assert.equal(store.get(gone), 'erased');
    assert.deepEqual(store.erasure(gone), {
      record: 'r1',
      time: '2026-12-01T00:00:00.000000Z',
      by: { id: 'a', name: 'Ana' },
      reason: 'asked for by the customer',
    });
    assert.notEqual(store.get(kept), 'erased');
    assert.equal(store.erasure(kept), null);
  });

  it('destroys texts of a block: no byte of the old ciphertext stays, and its neighbours are as they were', async () => {
    store.begin();
    const all = Array.from({ length: 200 }, (_, i) => Buffer.from(`select '${'x'.repeat(i * 3)}${i}'`));
    const put = all.map((data) => store.put('p1', DAY, 'statement', data).commitment);
    store.commit();
    const sealed = rows('SELECT sealed FROM blocks').map((row) => Buffer.from(row.sealed as Uint8Array));
    assert.ok(sealed.length > 3 && sealed.length < 20);
    const victims = put.filter((_, i) => i % 50 === 7);
    await erase({ commitments: victims });
    const left = bytesOfFiles();
    const touched = sealed.filter((bytes) => !left.includes(bytes.subarray(0, 40)));
    assert.ok(touched.length >= 2 && touched.length <= victims.length);
    for (const bytes of touched) {
      for (let at = 0; at + 24 <= bytes.length; at += 24) {
        assert.equal(left.includes(bytes.subarray(at, at + 24)), false);
      }
    }
    for (const [i, commitment] of put.entries()) {
      const stored = store.get(commitment);
      if (victims.includes(commitment)) assert.equal(stored, 'erased');
      else assert.deepEqual(stored !== null && stored !== 'erased' && stored.data, all[i]);
    }
    // The rest of the block can go as well, one after the other and then the day.
    await erase({ commitments: put.slice(0, 5) }, 'r2');
    assert.equal((await erase({ principalId: 'p1', day: DAY, kinds: [...ALL] }, 'r3'))?.payloads, 191);
    assert.deepEqual(
      [put[0], put[7], put[9]].map((commitment) => store.erasure(commitment ?? '')?.record),
      ['r2', 'r1', 'r3'],
    );
  });

  it('says so where a block was altered and a text of it cannot be destroyed alone; with the day it can', async () => {
    store.begin();
    const [one = '', two = ''] = ['a', 'b'].map(
      (data) => store.put('p1', DAY, 'statement', Buffer.from(data)).commitment,
    );
    store.commit();
    const db = new DatabaseSync(file);
    db.exec("UPDATE blocks SET sealed = CAST(x'00' || substr(sealed, 2) AS BLOB)");
    db.close();
    await assert.rejects(erase({ commitments: [one] }), { code: 'POSTERN_INTERNAL' });
    assert.deepEqual(erasure.unfinished(), []);
    await erase({ principalId: 'p1', day: DAY, kinds: [...ALL] });
    assert.deepEqual([store.get(one), store.get(two)], ['erased', 'erased']);
  });

  it('never brings an erased commitment back: the same text of that day gets another key and another commitment', async () => {
    const gone = store.put('p1', DAY, 'statement', text).commitment;
    await erase({ commitments: [gone] });
    // The same store, which remembers key and commitment, and one that was opened since.
    const again = store.put('p1', DAY, 'statement', text).commitment;
    assert.notEqual(again, gone);
    store.close();
    store = PayloadStore.open(file, KEY);
    assert.equal(store.put('p1', DAY, 'statement', text).commitment, again);
    assert.equal(store.get(gone), 'erased');
    const back = store.get(again);
    assert.ok(back !== null && back !== 'erased');
    assert.deepEqual(back.data, text);
  });

  it('destroys the whole day of a principal and nothing of another day, principal or kind', async () => {
    const gone = [
      store.put('p1', DAY, 'statement', text),
      store.put('p1', DAY, 'statement', Buffer.from('select 1')),
      store.put('p1', DAY, 'record', text),
    ].map(({ commitment }) => commitment);
    const kept = [
      store.put('p1', '2026-11-22', 'statement', text),
      store.put('p2', DAY, 'statement', text),
      store.put('p1', DAY, 'parameters', text),
    ].map(({ commitment }) => commitment);
    const found = await erase({ principalId: 'p1', day: DAY, kinds: ['statement', 'record'] });
    assert.deepEqual([found?.payloads, found?.commitments], [3, null]);
    for (const commitment of gone) assert.equal(store.get(commitment), 'erased');
    for (const commitment of kept) assert.notEqual(store.get(commitment), 'erased');
    const later = store.put('p1', DAY, 'statement', text).commitment;
    assert.equal(gone.includes(later), false);
    assert.notEqual(store.get(later), 'erased');
    assert.deepEqual(
      rows(`SELECT sum(length(commitments)) / 32 AS n FROM blocks WHERE sealed IS NOT NULL`),
      [{ n: 4 }].map((row) => Object.assign(Object.create(null), row)),
    );
    // What came to that day afterwards can be erased as well.
    assert.equal((await erase({ principalId: 'p1', day: DAY, kinds: [...ALL] }, 'r2'))?.payloads, 2);
    assert.equal(store.get(later), 'erased');
    assert.equal(await erase({ principalId: 'p1', day: DAY, kinds: [...ALL] }, 'r3'), null);
  });

  it('leaves neither a wrapped key nor a ciphertext in any file, however many there were before and between', async () => {
    // Of days that no run before had.
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 200 }), fc.nat(), async (keys, seed) => {
        run += 1;
        const days = Array.from({ length: keys }, (_, i) => `d${run}-${i}`);
        for (let from = 0; from < days.length; from += 50) {
          store.begin();
          for (const day of days.slice(from, from + 50)) {
            store.put('p1', day, 'statement', Buffer.alloc(1 + ((seed + from) % 9000), day));
            store.put('p1', day, 'parameters', Buffer.from(day));
          }
          store.commit();
        }
        const victims = days.filter((_, i) => (i * 7 + seed) % 3 === 0);
        const secrets = victims.flatMap((day) =>
          rows(
            `SELECT k.wrapped, p.sealed FROM data_keys k JOIN blocks p ON p.key = k.n WHERE k.day = '${day}'`,
          ).flatMap((row) => [Buffer.from(row.wrapped as Uint8Array), Buffer.from(row.sealed as Uint8Array)]),
        );
        const before = bytesOfFiles();
        for (const secret of secrets) assert.equal(before.includes(secret.subarray(0, 40)), true);
        for (const day of victims) {
          await erasure.destroy(planOf({ principalId: 'p1', day, kinds: [...ALL] }), async () => undefined);
          store.put('p2', day, 'statement', Buffer.from(day));
        }
        assert.equal(await erasure.clean(true), true);
        const after = bytesOfFiles();
        for (const secret of secrets) {
          assert.equal(after.includes(secret.subarray(0, 24)), false);
          assert.equal(after.includes(secret.subarray(-24)), false);
        }
      }),
      { numRuns: 6 },
    );
  });

  it('destroys nothing where the record of it cannot be written', async () => {
    const { commitment } = store.put('p1', DAY, 'statement', text);
    for (const selection of [
      { commitments: [commitment] },
      { principalId: 'p1', day: DAY, kinds: [...ALL] },
    ]) {
      await assert.rejects(
        erasure.destroy(planOf(selection), async () => {
          throw new Error('disk full');
        }),
        /disk full/,
      );
      assert.notEqual(store.get(commitment), 'erased');
      assert.deepEqual(erasure.unfinished(), []);
      assert.equal(store.put('p1', DAY, 'statement', text).commitment, commitment);
    }
  });

  it('carries out, after a crash, what was recorded and not destroyed', async () => {
    const { commitment } = store.put('p1', DAY, 'statement', text);
    const plan = planOf({ commitments: [commitment] });
    // The process ends while the record is being written: nothing after it happens.
    const crashed = PayloadErasure.open(file, KEY);
    void crashed.destroy(plan, () => new Promise(() => undefined));
    crashed.close();
    assert.notEqual(store.get(commitment), 'erased');
    const [begun] = erasure.unfinished();
    assert.deepEqual(begun?.plan, plan);
    const recorded: Found[] = [];
    await erasure.resume(begun?.n ?? 0, { ...plan, record: 'r2' }, async (found) => {
      recorded.push(found);
    });
    assert.equal(recorded.length, 1);
    assert.equal(store.get(commitment), 'erased');
    assert.equal(store.erasure(commitment)?.record, 'r2');
    assert.deepEqual(erasure.unfinished(), []);
  });

  it('refuses a choice of payloads that are not of one principal and day', async () => {
    const one = store.put('p1', DAY, 'statement', text).commitment;
    const two = store.put('p2', DAY, 'statement', text).commitment;
    assert.throws(() => erasure.find({ commitments: [one, two] }), RangeError);
  });

  it('knows which days there are texts of', async () => {
    store.put('p2', '2026-11-22', 'statement', text);
    store.put('p1', DAY, 'parameters', text);
    store.put('p1', DAY, 'statement', text);
    await erase({ principalId: 'p1', day: DAY, kinds: ['parameters'] });
    assert.deepEqual(erasure.days(), [
      { principalId: 'p1', day: DAY, kind: 'statement' },
      { principalId: 'p2', day: '2026-11-22', kind: 'statement' },
    ]);
  });
});
