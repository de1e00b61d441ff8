import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { DataKeys } from '../core/data-keys.ts';
import { uuidv7 } from '../core/ids.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import { entryHead } from '../ledger/entry.ts';
import { JournalWriter } from '../ledger/journal.ts';
import { PayloadStore } from '../ledger/payloads.ts';
import { PublishedLog } from '../ledger/published-log.ts';
import { Sequencer } from '../ledger/sequencer.ts';
import type { IndexedEntry } from '../ledger/tiles.ts';
import { ActivityIndex } from './activity-index.ts';
import { compareIndex } from './check-index.ts';
import { EntryScanner } from './entry-scan.ts';
import { IndexFollower } from './index-follower.ts';

const grant = uuidv7();
const sessions = Array.from({ length: 5 }, () => uuidv7());

/** A record as a gateway writes it. Every other session's principal is called otherwise from record 150 on. */
function gatewayRecord(
  i: number,
  type: string,
  rest: string,
): { readonly id: string; readonly json: string } {
  const id = uuidv7();
  const n = i % sessions.length;
  const who = `"id":"p-${n % 2}","name":"batch-${n % 2}${n > 2 && i > 150 ? '-renamed' : ''}"`;
  const json =
    `{"id":"${id}","time":"${rfc3339(nowMicros())}","type":"${type}","actor":{"kind":"principal",${who}},` +
    `"principal":{${who}},"session":"${sessions[n]}","resource":{"id":"r","name":"db"},"protocol":"postgres",${rest}}`;
  return { id, json };
}

function intentAndOutcome(i: number): string[] {
  const statement = `"verbs":["select"],"objects":["a.t${i % 7}"],"fingerprint":"f${i % 7}"`;
  const intent = gatewayRecord(
    i,
    'command.intent',
    `${statement},"grant":"${grant}","decision":{"effect":"allow","rule":"grant"}`,
  );
  const answer = `"intent":"${intent.id}","status":"ok","code":"SELECT 1","rows":${i},"bytes":15,"durationUs":180`;
  const closed = gatewayRecord(i, 'session.closed', '"reason":"client left"');
  const outcome = gatewayRecord(i, 'command.outcome', answer);
  return [intent.json, outcome.json, ...(i % 40 === 0 ? [closed.json] : [])];
}

describe('scanned and parsed entries', () => {
  const dir = mkdtempSync(join(tmpdir(), 'postern-scan-'));
  const entries: IndexedEntry[] = [];
  before(() => {
    const payloads = {
      statement: { commitment: 'ab'.repeat(32), bytes: 12 },
      parameters: { commitment: 'cd'.repeat(32), bytes: 7 },
    };
    const all = Array.from({ length: 300 }, (_, i) => intentAndOutcome(i)).flat();
    for (const [index, json] of all.entries()) {
      const head = entryHead(
        index,
        index % 3 === 0 ? undefined : index,
        index % 2 === 0 ? payloads : undefined,
      );
      entries.push({ index, entry: Buffer.from(head + json.slice(1)) });
    }
  });
  after(() => rmSync(dir, { recursive: true }));

  test('give the same index, in batches of any size', () => {
    const parsed = join(dir, 'parsed.db');
    const slow = ActivityIndex.open(parsed);
    // White space says the same in JSON, and is nothing that the sequencer writes.
    slow.consume(
      entries.map(({ index, entry }) => ({ index, entry: Buffer.from(entry.toString().replace('{', '{ ')) })),
    );
    slow.close();
    for (const size of [1, 7, 100, 1000]) {
      const file = join(dir, `scanned-${size}.db`);
      const fast = ActivityIndex.open(file);
      for (let i = 0; i < entries.length; i += size) fast.consume(entries.slice(i, i + size));
      fast.close();
      assert.deepEqual([...compareIndex(file, parsed, entries.length)], []);
      for (const sql of ['SELECT * FROM names ORDER BY n', 'SELECT * FROM uses', 'SELECT * FROM classes']) {
        const [theirs, ours] = [file, parsed].map((path) => {
          const db = new DatabaseSync(path);
          const rows = db.prepare(sql).all();
          db.close();
          return rows;
        });
        assert.deepEqual(theirs, ours, sql);
      }
    }
  });

  test('an entry whose head is not the sequencer’s is parsed', () => {
    const scanner = new EntryScanner();
    const intent = entries.find(
      ({ index, entry }) => index % 2 === 0 && index % 3 > 0 && entry.includes('command.intent'),
    );
    const entry = String(intent?.entry);
    assert.ok(scanner.scan(Buffer.from(entry)));
    for (const [from, to] of [
      ['{"v":1,', '{"v":2,'],
      ['"leaf":', '"leaf":-'],
      ['"principalSeq":', '"principalSeq":-'],
      ['"bytes":12}', '"bytes":12'],
      ['"bytes":7}}', '"bytes":7}'],
      ['abab', 'ab'],
      ['"payloads":{"', '"payloads":{}"'],
      ['"parameters"', '"PARAMETERS"'],
    ] as const) {
      const changed = entry.replace(from, to);
      assert.notEqual(changed, entry);
      assert.equal(scanner.scan(Buffer.from(changed)), null, `${from} -> ${to}`);
    }
    for (let length = 0; length < entry.length; length++) {
      assert.equal(scanner.scan(Buffer.from(entry).subarray(0, length)), null);
    }
  });
});

describe('the index follows the log', () => {
  let dir = '';
  let sequencer: Sequencer;
  let payloads: PayloadStore;
  let writer: JournalWriter;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'postern-follow-'));
    writer = JournalWriter.create(join(dir, 'journal'), 'w');
    payloads = PayloadStore.open(join(dir, 'payloads.db'), DataKeys.of(Buffer.alloc(32, 7)));
    sequencer = Sequencer.open({ dir, payloads });
  });
  afterEach(() => {
    for (const part of [sequencer, payloads, writer]) part.close();
    rmSync(dir, { recursive: true });
  });

  function grow(commands: number, from = 0): void {
    for (let i = from; i < from + commands; i++) for (const json of intentAndOutcome(i)) writer.append(json);
    writer.flush();
    while (sequencer.step(97) > 0);
  }

  /** The index is that which is made from the whole log at once. */
  function assertWhole(): void {
    const whole = join(dir, 'whole.db');
    const index = ActivityIndex.open(whole);
    index.consume([...new PublishedLog(join(dir, 'log')).leaves(0, sequencer.size)]);
    index.close();
    assert.deepEqual([...compareIndex(join(dir, 'index.db'), whole, sequencer.size)], []);
  }

  test('over full bundles that no checkpoint covers yet, and unfinished ones that one does', () => {
    grow(3);
    sequencer.checkpointNow();
    const follower = IndexFollower.open(dir, sequencer.size);
    assert.equal(follower.size, sequencer.size);
    for (let round = 0; round < 12; round++) {
      grow(60, round * 60);
      const full = sequencer.size - (sequencer.size % 256);
      while (!follower.step(full));
      assert.ok(follower.size >= full);
      if (round % 3 > 0) continue;
      sequencer.checkpointNow();
      while (!follower.step(sequencer.size));
      assert.equal(follower.size, sequencer.size);
    }
    sequencer.checkpointNow();
    while (!follower.step(sequencer.size));
    follower.close();
    assertWhole();
  });

  test('from where it stopped, or anew where it is damaged or of another history', () => {
    grow(200);
    sequencer.checkpointNow();
    IndexFollower.open(dir, sequencer.size).close();
    const before = sequencer.size;
    grow(200, 200);
    sequencer.checkpointNow();
    const again = IndexFollower.open(dir, sequencer.size);
    assert.ok(again.size > before);
    again.close();
    truncateSync(join(dir, 'index.db'), 5000);
    const mended = IndexFollower.open(dir, sequencer.size);
    assert.equal(mended.size, sequencer.size);
    mended.close();
    const db = new DatabaseSync(join(dir, 'index.db'));
    db.exec("UPDATE meta SET value = 1000000 WHERE key = 'size'");
    db.close();
    const other = IndexFollower.open(dir, sequencer.size);
    assert.equal(other.size, sequencer.size);
    other.close();
    assertWhole();
  });
});
