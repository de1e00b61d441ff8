import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ApiFailure, startPostern, type TestPostern } from './support/postern.ts';

interface Shown {
  readonly delivery: { readonly next: number; readonly behind: number } | null;
}

/** Events of a real Postern that is killed as nobody would wish. */
describe('sinks of a Postern that is killed', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'postern-sinks-'));
  let postern: TestPostern;
  let token = '';
  const restart = async (): Promise<void> => {
    postern = await startPostern(token === '' ? { dataDir } : { dataDir, token });
    token = postern.token;
  };
  before(restart);
  after(async () => {
    await postern.stop('SIGKILL');
    rmSync(dataDir, { recursive: true, force: true });
  });
  const people = async (prefix: string, count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const person = { name: `${prefix} ${i}`, email: `${prefix}${i}@example.com`, roles: ['owner'] };
      await postern.call('POST', '/v1/persons', person);
    }
  };
  const leaves = (): number[] => {
    const file = join(dataDir, 'sinks', 'archive', 'events.ndjson');
    if (!existsSync(file)) return [];
    const whole = readFileSync(file, 'utf8').split('\n').slice(0, -1);
    return whole.map((line) => (JSON.parse(line) as { metadata: { sequence: number } }).metadata.sequence);
  };
  const drained = async (): Promise<number> => {
    for (let i = 0; i < 400; i++) {
      const { delivery } = await postern.call<Shown>('GET', '/v1/sinks/archive');
      const { size } = await postern.call<{ size: number }>('GET', '/v1/ledger');
      if (delivery !== null && delivery.next >= size) return size;
      await new Promise((wait) => setTimeout(wait, 50));
    }
    assert.fail('not everything was delivered');
  };

  it('delivers every leaf, in order, and twice at most what was under way', async () => {
    const made = { name: 'archive', target: { kind: 'file' }, fromBeginning: true };
    await postern.call('POST', '/v1/sinks', made);
    for (let round = 0; round < 3; round++) {
      // Killed while events are written: some are not yet, some are and nobody remembers it.
      const work = people(`round${round}x`, 40).catch((error: unknown) => {
        assert.equal(error instanceof ApiFailure, false, String(error));
      });
      await new Promise((wait) => setTimeout(wait, 400 + 150 * round));
      await postern.stop('SIGKILL');
      await work;
      await restart();
    }
    await people('last', 5);
    const size = await drained();
    const told = leaves();
    assert.deepEqual(
      [...new Set(told)].sort((a, b) => a - b).slice(0, size),
      Array.from({ length: size }, (_, i) => i),
    );
    // From wherever it goes back to, it goes on without a gap.
    for (const [i, leaf] of told.entries())
      if (i > 0) assert.equal(leaf <= (told[i - 1] ?? 0) + 1, true, `${i}: ${leaf}`);
  });

  it('says in the log how far it came when it is stopped, and goes on from there', async () => {
    const before = await drained();
    await postern.stop('SIGTERM');
    await restart();
    const after = await drained();
    assert.equal(after > before, true);
    const text = readFileSync(join(dataDir, 'sinks', 'archive', 'events.ndjson'), 'utf8');
    for (const type of ['created', 'delivered'])
      assert.equal(text.includes(`"event_code":"sink.${type}"`), true, type);
  });
});
