import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Store } from '../store/store.ts';
import { SpentProofs } from './spent-proofs.ts';

const mark = (at: number): string => at.toString(16).padStart(64, '0');
const NOW = 1_800_000_000_000;

describe('what may be shown once', () => {
  it('is taken once until it ends, also of many at the same moment, and over a restart', async (context) => {
    const dir = mkdtempSync(join(tmpdir(), 'postern-spent-'));
    const file = join(dir, 'state.db');
    let store = Store.open(file);
    context.after(async () => {
      await store.close();
      rmSync(dir, { recursive: true, force: true });
    });
    const again = { code: 'POSTERN_UNAUTHORIZED' };
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, () => new SpentProofs(store.db).take(mark(1), NOW + 1000, NOW)),
    );
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
    await store.close();
    store = Store.open(file);
    const spent = new SpentProofs(store.db);
    await assert.rejects(spent.take(mark(1), NOW + 1000, NOW + 999), again);
    await spent.take(mark(2), NOW + 1000, NOW);
  });

  it('is refused when no more can be remembered, until some have ended', async (context) => {
    const store = Store.open(':memory:');
    context.after(() => store.close());
    const spent = new SpentProofs(store.db, 2);
    await spent.take(mark(1), NOW + 1000, NOW);
    await spent.take(mark(2), NOW + 2000, NOW);
    await assert.rejects(spent.take(mark(3), NOW + 2000, NOW), { code: 'POSTERN_TOO_MANY_REQUESTS' });
    await spent.take(mark(3), NOW + 2000, NOW + 1000);
    await assert.rejects(spent.take(mark(2), NOW + 2000, NOW + 1000));
  });
});
