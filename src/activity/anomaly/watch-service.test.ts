import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Finding } from '../../core/alert-finding.ts';
import { STANDARD_SETTINGS } from '../../core/alert-rules.ts';
import { DataKeys } from '../../core/data-keys.ts';
import { uuidv7 } from '../../core/ids.ts';
import { rfc3339 } from '../../core/time.ts';
import { JournalWriter } from '../../ledger/journal.ts';
import { PayloadStore } from '../../ledger/payloads.ts';
import { Sequencer } from '../../ledger/sequencer.ts';
import { WatchFollower } from './watch-follower.ts';
import { WatchService } from './watch-service.ts';
import { WatchStore } from './watch-store.ts';

let dir = '';
let sequencer: Sequencer;
let payloads: PayloadStore;
let writer: JournalWriter;
let now = Date.UTC(2026, 8, 1) * 1000;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'postern-watch-'));
  writer = JournalWriter.create(join(dir, 'journal'), 'w');
  payloads = PayloadStore.open(join(dir, 'payloads.db'), DataKeys.of(Buffer.alloc(32, 7)));
  sequencer = Sequencer.open({ dir, payloads });
  const after = { id: 'alert_rules', rules: STANDARD_SETTINGS, expected: [] };
  write('config.changed', { change: { entity: 'alert_rules', id: 'alert_rules', before: null, after } });
});
afterEach(() => {
  for (const part of [sequencer, payloads, writer]) part.close();
  rmSync(dir, { recursive: true });
});

function write(type: string, more: object): void {
  now += 1_000_000;
  const actor = { kind: 'system', id: 's', name: 'postern' };
  writer.append(JSON.stringify({ id: uuidv7(), time: rfc3339(now), type, actor, ...more }));
}

/** Sessions of tools that people use, of so many principals, among other things. */
function grow(from: number, to: number): void {
  for (let i = from; i < to; i++) {
    const principal = { id: `p-${i % 50}`, name: `p-${i % 50}` };
    const common = { principal, session: `s-${i}`, resource: { id: 'r', name: 'db' }, protocol: 'postgres' };
    const client = i % 7 === 0 ? 'psql' : 'job';
    write('session.opened', { ...common, source: `192.0.${i % 5}.1:9`, client, grants: [] });
    const what = { verbs: ['select'], objects: [`a.t${i % 9}`], fingerprint: null, grant: 'g' };
    write('command.intent', { ...common, ...what, decision: { effect: 'allow', rule: 'r' } });
    if (i % 3 === 0) now += 86_400_000_000 / 4;
  }
  writer.flush();
  while (sequencer.step(97) > 0);
  sequencer.checkpointNow();
}

/** All that is found by looking through the whole log at once, somewhere else. */
function whole(): Finding[] {
  WatchStore.remove(join(dir, 'watch.db'));
  const follower = WatchFollower.open(dir, sequencer.size);
  while (!follower.step(sequencer.size));
  const found = follower.findings(-1, 100_000);
  follower.close();
  WatchStore.remove(join(dir, 'watch.db'));
  return found;
}

describe('the log is watched', () => {
  it('from where it was left, and anew where what is kept is damaged or of another history: the same is found', () => {
    const found: Finding[] = [];
    for (let round = 0; round < 8; round++) {
      grow(round * 100, round * 100 + 100);
      const follower = WatchFollower.open(dir, sequencer.size);
      while (!follower.step(sequencer.size));
      const fresh = follower.findings(-1, 100_000);
      found.push(...fresh);
      const last = fresh.at(-1);
      if (last !== undefined) follower.taken(last.leaf);
      assert.deepEqual(follower.findings(-1, 10), []);
      follower.close();
    }
    assert.ok(found.length > 20);
    const damaged = join(dir, 'watch.db');
    truncateSync(damaged, 3000);
    const mended = WatchFollower.open(dir, sequencer.size);
    while (!mended.step(sequencer.size));
    assert.deepEqual(mended.findings(-1, 100_000), found);
    mended.close();
    const shorter = WatchFollower.open(dir, 10);
    assert.equal(shorter.size, 0, 'a log that was put back from a copy is looked at from its beginning');
    shorter.close();
    assert.deepEqual(whole(), found);
  });

  it('in pages that never divide what was found at one leaf', () => {
    grow(0, 700);
    const follower = WatchFollower.open(dir, sequencer.size);
    while (!follower.step(sequencer.size));
    const all = follower.findings(-1, 100_000);
    assert.ok(new Set(all.map(({ leaf }) => leaf)).size < all.length, 'some leaves have several');
    const paged: Finding[] = [];
    for (let after = -1; ; ) {
      const page = follower.findings(after, 1);
      if (page.length === 0) break;
      assert.equal(new Set(page.map(({ leaf }) => leaf)).size, 1);
      paged.push(...page);
      after = page.at(-1)?.leaf ?? after;
    }
    assert.deepEqual(paged, all);
    follower.close();
  });

  it('by a thread that brings again what could not be recorded, and nothing that was', async () => {
    grow(0, 400);
    const all = whole();
    const taken: Finding[] = [];
    const faults: (string | null)[] = [];
    let calls = 0;
    const watch = (size: number, enough: number) =>
      new Promise<void>((resolve, reject) => {
        const service = new WatchService({
          dataDir: dir,
          size,
          take: async (findings) => {
            calls += 1;
            if (calls === 1) throw new Error('the disk is full');
            taken.push(...findings.filter(({ leaf }) => leaf > (taken.at(-1)?.leaf ?? -1)));
            if (taken.length >= enough) setImmediate(() => service.close().then(resolve, reject));
          },
          onFault: (fault) => faults.push(fault),
        });
        service.follow(sequencer.size);
      });
    await watch(10, Math.floor(all.length / 2));
    await watch(sequencer.size, all.length);
    assert.deepEqual(taken, all);
    assert.deepEqual(faults, ['the disk is full', null]);
  });
});
