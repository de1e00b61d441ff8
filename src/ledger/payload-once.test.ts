import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { DataKeys } from '../core/data-keys.ts';
import { type ErasurePlan, PayloadErasure, type Selection } from './payload-erasure.ts';
import type { StoredKind } from './payload-seal.ts';
import { PayloadStore } from './payloads.ts';
import { GrowingFilter } from './seen-payloads.ts';

const KEY = DataKeys.of(Buffer.alloc(32, 7));
/** Far less than there are texts; blocks are learnt over several batches. */
const LIMITS = { texts: 32, recentPayloads: 500, runPayloads: 150, learntBlocks: 20 };
const TEXTS = 12_000;
const OWNERS = ['p1', 'p2'].flatMap((id) => ['2026-11-21', '2026-11-22'].map((day) => [id, day] as const));
const KINDS: readonly StoredKind[] = ['statement', 'parameters'];

const plan = (record: string, selection: Selection): ErasurePlan => ({
  record,
  time: '2026-12-01T00:00:00.000000Z',
  by: { kind: 'person', id: 'a', name: 'Ana' },
  reason: 'asked for',
  cause: 'request',
  of: null,
  selection,
});

async function erase(file: string, selection: Selection): Promise<void> {
  const erasure = PayloadErasure.open(file, KEY);
  await erasure.destroy(plan('r', selection), async () => undefined);
  erasure.close();
}

function stored(file: string): number {
  const db = new DatabaseSync(file, { readOnly: true });
  const n = Number(db.prepare('SELECT total(length(commitments)) / 32 AS n FROM blocks').get()?.n);
  db.close();
  return n;
}

describe('a text of one principal, day and kind', () => {
  let dir = '';
  let file = '';
  const all: string[] = [];
  const first = new Map<string, string>();

  /** Puts texts, in an order of its own, and says how many got another commitment than before. */
  function putAll(count: number, step: number): number {
    let store = PayloadStore.open(file, KEY, LIMITS);
    let changed = 0;
    for (let i = 0; i < count; ) {
      store.begin();
      for (const end = Math.min(count, i + 1777); i < end; i++) {
        const text = `select ${(i * step) % count}`;
        const [principal, day] = OWNERS[i % OWNERS.length] as (typeof OWNERS)[number];
        const kind = KINDS[(i >> 2) % 2] as StoredKind;
        const { commitment } = store.put(principal, day, kind, Buffer.from(text));
        const name = `${principal} ${day} ${kind} ${text}`;
        if (!first.has(name)) all.push(commitment);
        if ((first.get(name) ?? commitment) !== commitment) changed += 1;
        first.set(name, commitment);
      }
      store.commit();
      if (i % 3 !== 0) continue;
      store.close();
      store = PayloadStore.open(file, KEY, LIMITS);
    }
    store.close();
    return changed;
  }

  before(() => {
    dir = fs.mkdtempSync(join(tmpdir(), 'postern-once-'));
    file = join(dir, 'payloads.db');
    assert.equal(putAll(TEXTS, 1), 0);
  });
  after(() => fs.rmSync(dir, { recursive: true }));

  it('is stored once, however many came in between, before or after a restart', () => {
    assert.equal(stored(file), TEXTS);
    assert.equal(putAll(TEXTS, 1), 0);
    assert.equal(stored(file), TEXTS);
    // In orders in which no neighbour is one of before; some are new to their owner.
    assert.equal(putAll(TEXTS, 7), 0);
    assert.equal(putAll(TEXTS, 5003), 0);
    assert.equal(stored(file), first.size);
    assert.ok(first.size > TEXTS);
  });

  it('is never shared with another principal, day or kind', () => {
    assert.equal(new Set(all).size, first.size);
  });

  it('is stored anew once it was erased, again only once', async () => {
    const name = 'p1 2026-11-21 statement select 0';
    const before = first.get(name) ?? '';
    const other = first.get('p2 2026-11-21 statement select 2') ?? '';
    await erase(file, { commitments: [before] });
    assert.equal(stored(file), first.size - 1);
    const put = (): string[] => {
      const store = PayloadStore.open(file, KEY, LIMITS);
      const texts = ['select 0', ...Array.from({ length: 600 }, (_, i) => `new ${i}`), 'select 0'];
      const done = texts.map(
        (text) => store.put('p1', '2026-11-21', 'statement', Buffer.from(text)).commitment,
      );
      assert.equal(store.put('p2', '2026-11-21', 'statement', Buffer.from('select 2')).commitment, other);
      assert.equal(store.get(before), 'erased');
      store.close();
      return done;
    };
    const again = put();
    assert.notEqual(again[0], before);
    assert.equal(again[0], again.at(-1));
    assert.deepEqual(put(), again);
    assert.equal(stored(file), first.size - 1 + 601);
  });

  it('is stored anew once its whole day was destroyed', async () => {
    await erase(file, { principalId: 'p2', day: '2026-11-22', kinds: ['parameters'] });
    const store = PayloadStore.open(file, KEY, LIMITS);
    const before = stored(file);
    const again = [1, 2].map(
      () => store.put('p2', '2026-11-22', 'parameters', Buffer.from('select 7')).commitment,
    );
    assert.notEqual(again[0], first.get('p2 2026-11-22 parameters select 7'));
    assert.equal(again[0], again[1]);
    assert.equal(stored(file), before + 1);
    store.close();
  });
});

describe('payload store under any sequence of what can happen', () => {
  it('stores a text once until it is erased, and knows every text that it took', async () => {
    const put = fc.record({
      what: fc.constant('put' as const),
      texts: fc.array(fc.tuple(fc.constantFrom('p1', 'p2'), fc.nat(400)), { maxLength: 300 }),
    });
    const step = fc.oneof(
      { weight: 6, arbitrary: put },
      { weight: 2, arbitrary: fc.constantFrom('reopen' as const, 'roll back' as const) },
      { weight: 1, arbitrary: fc.record({ what: fc.constant('erase' as const), text: fc.nat(400) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const dir = fs.mkdtempSync(join(tmpdir(), 'postern-once-'));
        const file = join(dir, 'payloads.db');
        const limits = { texts: 4, recentPayloads: 20, runPayloads: 10, learntBlocks: 2 };
        let store = PayloadStore.open(file, KEY, limits);
        /** By principal: of the key that is open. */
        const known = new Map<string, string>();
        const gone = new Set<string>();
        let kept = 0;
        for (const one of steps) {
          if (one === 'reopen') {
            store.close();
            store = PayloadStore.open(file, KEY, limits);
          } else if (one === 'roll back') {
            store.begin();
            for (let i = 0; i < 50; i++) store.put('p1', 'd', 'statement', Buffer.from(`${i * 7}`));
            store.rollback();
          } else if (one.what === 'put') {
            store.begin();
            for (const [principal, text] of one.texts) {
              const name = `${principal} ${text}`;
              const { commitment } = store.put(principal, 'd', 'statement', Buffer.from(`${text}`));
              if (!known.has(name)) kept += 1;
              assert.equal(commitment, known.get(name) ?? commitment);
              assert.equal(gone.has(commitment), false);
              known.set(name, commitment);
            }
            store.commit();
          } else {
            const commitment = known.get(`p1 ${one.text}`);
            if (commitment === undefined) continue;
            await erase(file, { commitments: [commitment] });
            gone.add(commitment);
            kept -= 1;
            // What comes now gets another key.
            for (const name of known.keys()) if (name.startsWith('p1')) known.delete(name);
          }
        }
        assert.equal(stored(file), kept);
        for (const [name, commitment] of known) {
          const found = store.get(commitment);
          assert.ok(found !== null && found !== 'erased');
          assert.equal(found.data.toString(), name.slice(3));
        }
        for (const commitment of gone) assert.equal(store.get(commitment), 'erased');
        store.close();
        fs.rmSync(dir, { recursive: true });
      }),
      { numRuns: 30 },
    );
  });
});

describe('filter of what was seen', () => {
  it('knows all that was added, and hardly anything else, however much it is', () => {
    const filter = new GrowingFilter();
    /** Anything that is spread evenly. */
    const numbers = (i: number): [number, number] => [
      Math.imul(i, 0x9e3779b1) >>> 0,
      Math.imul(i ^ (i >>> 15), 0x85ebca6b) >>> 0,
    ];
    for (let i = 0; i < 300_000; i++) filter.add(...numbers(i));
    let wrong = 0;
    for (let i = 0; i < 300_000; i++) {
      assert.ok(filter.has(...numbers(i)));
      if (filter.has(...numbers(i + 1_000_000_000))) wrong += 1;
    }
    assert.ok(wrong < 3000, `${wrong}`);
  });
});
