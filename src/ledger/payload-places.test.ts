import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import { DataKeys } from '../core/data-keys.ts';
import { PayloadErasure } from './payload-erasure.ts';
import { PayloadStore } from './payloads.ts';

const KEY = DataKeys.of(Buffer.alloc(32, 7));
const DAY = '2026-11-21';
const COUNT = 80_000;
/** A tree of four levels, and some payloads that are not in it; what is known in memory are a few. */
const LIMITS = { texts: 16, recentPayloads: 3000, runPayloads: 100, learntBlocks: 64 };
const OFTEN = Buffer.from('select now()');

/** A store of so many payloads, as a reader that was open all the time and one that was opened since see it. */
describe('places of payloads', () => {
  let dir = '';
  let file = '';
  let watching: PayloadStore;
  let often = '';
  const commitments: string[] = [];

  before(() => {
    dir = fs.mkdtempSync(join(tmpdir(), 'postern-places-'));
    file = join(dir, 'payloads.db');
    let store = PayloadStore.open(file, KEY, LIMITS);
    watching = PayloadStore.open(file, KEY, LIMITS);
    often = store.put('p0', DAY, 'statement', OFTEN).commitment;
    for (let n = 0; n < COUNT; ) {
      store.begin();
      for (const end = Math.min(COUNT, n + 7001); n < end; n++) {
        commitments.push(store.put(`p${n % 7}`, DAY, 'parameters', Buffer.from(`[${n}]`)).commitment);
      }
      store.commit();
      assert.notEqual(watching.get(commitments.at(-1) ?? ''), null);
    }
    store.close();
    // What was remembered is forgotten, and the text was stored long ago.
    store = PayloadStore.open(file, KEY, LIMITS);
    assert.equal(store.put('p0', DAY, 'statement', OFTEN).commitment, often);
    store.close();
  });
  after(() => {
    watching.close();
    fs.rmSync(dir, { recursive: true });
  });

  const number = (sql: string): number => {
    const db = new DatabaseSync(file, { readOnly: true });
    const found = db.prepare(sql).get()?.n;
    db.close();
    return Number(found);
  };

  it('finds every payload, in the tree and not yet, in whatever order it is asked', () => {
    // The first node of the fourth level.
    assert.ok(number('SELECT max(n) AS n FROM place_nodes') >= 73);
    assert.ok(number('SELECT count(*) AS n FROM blocks WHERE n > (SELECT last_block FROM placed)') > 0);
    const inTree = 'SELECT sum(length(entries)) / 10 AS n FROM place_rows';
    const placed =
      'SELECT sum(length(commitments)) / 32 AS n FROM blocks WHERE n <= (SELECT last_block FROM placed)';
    assert.equal(number(inTree), number(placed));
    assert.ok(number('SELECT max(runs) AS n FROM place_nodes') <= 16);
    const fresh = PayloadStore.open(file, KEY, LIMITS);
    for (const [store, step, count] of [
      [fresh, 1, COUNT],
      [watching, 37_813, 2000],
    ] as const) {
      for (let i = 0, n = 0; i < count; i++, n = (n + step) % COUNT) {
        const found = store.get(commitments[n] ?? '');
        assert.ok(found !== null && found !== 'erased', `payload ${n}`);
        assert.equal(found.data.toString(), `[${n}]`);
        assert.equal(found.principalId, `p${n % 7}`);
      }
    }
    fresh.close();
  });

  it('finds nothing where nothing was stored, however alike it is', () => {
    for (let n = 0; n < COUNT; n += 997) {
      const commitment = commitments[n] ?? '';
      assert.equal(
        watching.get(`${commitment.slice(0, 62)}${commitment.endsWith('00') ? '01' : '00'}`),
        null,
      );
    }
    for (const odd of ['', '00', 'ff'.repeat(32), '00'.repeat(32)]) assert.equal(watching.get(odd), null);
  });

  it('destroys a text as often as it is stored, and leaves its neighbours', async () => {
    const having = `SELECT count(*) AS n FROM blocks WHERE instr(commitments, x'${often}') > 0`;
    assert.equal(number(having), 1);
    // Stores of before had some twice.
    const db = new DatabaseSync(file);
    db.exec(
      'INSERT INTO blocks SELECT (SELECT max(n) + 1 FROM blocks), key, commitments, sealed FROM blocks ' +
        `WHERE instr(commitments, x'${often}') > 0`,
    );
    db.close();
    assert.equal(number(having), 2);
    const erasure = PayloadErasure.open(file, KEY);
    const victims = [often, commitments[0] ?? '', commitments[7] ?? ''];
    const plan = {
      record: 'r1',
      time: '2026-12-01T00:00:00.000000Z',
      by: { kind: 'person', id: 'a', name: 'Ana' },
      reason: 'asked for',
      cause: 'request',
      of: null,
      selection: { commitments: victims },
    } as const;
    const found = await erasure.destroy(plan, async () => undefined);
    assert.equal(await erasure.clean(true), true);
    erasure.close();
    assert.equal(found?.payloads, 3);
    assert.equal(number(having), 0);
    for (const victim of victims) {
      assert.equal(watching.get(victim), 'erased');
      assert.equal(watching.erasure(victim)?.record, 'r1');
    }
    for (let n = 14; n < 700; n += 7) {
      const kept = watching.get(commitments[n] ?? '');
      assert.ok(kept !== null && kept !== 'erased', `payload ${n}`);
      assert.equal(kept.data.toString(), `[${n}]`);
    }
  });
});
