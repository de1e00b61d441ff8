/** What `faults-victim.ts` writes into a log, and everything that must be true of it after any fault. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Sequencing } from '../../src/activity/sequencing.ts';
import { indexAll } from '../../src/activity/story.fixture.ts';
import { DataKeys } from '../../src/core/data-keys.ts';
import { uuidv7 } from '../../src/core/ids.ts';
import type { Payload } from '../../src/core/record.ts';
import { nowMicros, rfc3339 } from '../../src/core/time.ts';
import { openCheckpoint } from '../../src/ledger/checkpoint.ts';
import { JournalWriter } from '../../src/ledger/journal.ts';
import { parseVerifierKey } from '../../src/ledger/note.ts';
import { PayloadStore } from '../../src/ledger/payloads.ts';
import { consistencyProof, verifyConsistency } from '../../src/ledger/proof.ts';
import { entries, TileStore } from '../../src/ledger/tiles.ts';
import { verifyLog } from '../../src/ledger/verify.ts';

export const KEYS: DataKeys = DataKeys.of(Buffer.alloc(32, 9));
const SHARED_MEMORY = '/dev/shm';
const PRINCIPALS = ['batch', 'report', 'agent'];

/** A new directory, in memory where the system has such: what SIGKILL leaves behind is the same, and fsync is faster. */
export function makeDirectory(): string {
  return mkdtempSync(join(existsSync(SHARED_MEMORY) ? SHARED_MEMORY : tmpdir(), 'postern-faults-'));
}

function statementOf(run: string, writer: string, n: number): string {
  // Some statements are new, some are those of the run before.
  return n % 3 === 0 ? `select ${n % 9}` : `select '${run} ${writer} ${n}'`;
}

/** Record `n` of a writer in a run. */
export function command(run: string, writer: string, n: number): { json: string; payloads: Payload[] } {
  const principal = { id: `p-${n % 3}`, name: PRINCIPALS[n % 3] as string };
  const concerned = n % 5 > 0;
  const json = JSON.stringify({
    id: uuidv7(),
    time: rfc3339(nowMicros()),
    type: 'command.intent',
    actor: { kind: 'principal', ...principal },
    ...(concerned && { principal }),
    session: `session-${run}-${writer}`,
    resource: { id: 'r-1', name: 'ledger-db' },
    verbs: ['select'],
    objects: [`ledger.t${n % 4}`],
    test: { run, writer, n },
  });
  return { json, payloads: [{ kind: 'statement', data: Buffer.from(statementOf(run, writer, n)) }] };
}

/** A log of about `leaves` leaves, cleanly ended: where runs begin. */
export function makeLog(dir: string, leaves: number): void {
  const writer = JournalWriter.create(join(dir, 'journal'), 'a');
  for (let n = 0; n < leaves; n++) {
    const { json, payloads } = command('first', 'a', n);
    writer.append(json, payloads);
  }
  writer.close();
  takeIn(dir);
}

/** What the processes said before they died. */
export class Witnessed {
  /** How many records were acknowledged, by `RUN WRITER`. */
  readonly written = new Map<string, number>();
  /** All checkpoints that anybody can have seen, as notes. */
  readonly released = new Set<string>();

  /** Takes in the output of a victim. A line without its full stop was cut by the kill: it was not said. */
  hear(output: string): void {
    for (const line of output.split('\n')) {
      const words = line.split(' ');
      if (words.at(-1) !== '.') continue;
      if (words[0] === 'wrote') this.written.set(`${words[1]} ${words[2]}`, Number(words[3]));
      if (words[0] === 'released') this.released.add(Buffer.from(words[1] ?? '', 'base64').toString());
    }
  }

  /** Takes in the checkpoint that lies in the log's folder now. */
  look(dir: string): void {
    const file = join(dir, 'log', 'checkpoint');
    if (existsSync(file)) this.released.add(readFileSync(file, 'utf8'));
  }
}

/** Starts the sequencer as Postern does, lets it take in the journals, and ends it; the log's verifier key. */
export function takeIn(dir: string): string {
  const sequencing = Sequencing.open({ dataDir: dir, keys: KEYS });
  try {
    while (sequencing.step() > 0);
    sequencing.checkpoint();
    indexAll(dir);
    return sequencing.status().vkey;
  } finally {
    sequencing.close();
  }
}

/**
 * Starts anew after a fault and checks that nothing acknowledged is missing, nothing is there twice or out of order, every
 * principal's count has no gap, the tree continues every checkpoint that was ever released, and the index says what the log says.
 */
export function checkHistory(dir: string, witnessed: Witnessed): { readonly size: number } {
  const vkey = takeIn(dir);
  witnessed.look(dir);
  const logDir = join(dir, 'log');
  const findings = [...verifyLog({ dir: logDir, vkey })];
  assert.deepEqual(findings, [], 'the log verifies');

  const verifier = parseVerifierKey(vkey);
  const store = new TileStore(logDir);
  const { size, root } = openCheckpoint(readFileSync(join(logDir, 'checkpoint')), verifier);
  for (const note of witnessed.released) {
    const old = openCheckpoint(note, verifier);
    assert.ok(old.size <= size, `a checkpoint of ${old.size} was released, and the log has ${size}`);
    const proof = consistencyProof(store.readTile, old.size, size);
    assert.ok(verifyConsistency(old.size, old.root, size, root, proof), `the tree of ${old.size} continues`);
  }
  checkRecords(dir, store, size, witnessed);
  checkIndex(dir);
  return { size };
}

interface TestLeaf {
  readonly lost?: unknown;
  readonly repeated?: unknown;
  readonly corrected?: unknown;
  readonly test?: { readonly run: string; readonly writer: string; readonly n: number };
  readonly payloads?: { readonly statement?: { readonly commitment: string } };
}

function checkRecords(dir: string, store: TileStore, size: number, witnessed: Witnessed): void {
  const found = new Map<string, number>();
  const payloads = PayloadStore.open(join(dir, 'payloads.db'), KEYS);
  try {
    for (const { index, entry } of entries(store, 0, size)) {
      const {
        test,
        payloads: commitments,
        lost,
        repeated,
        corrected,
      } = JSON.parse(entry.toString()) as TestLeaf;
      assert.deepEqual(
        [lost, repeated, corrected],
        [undefined, undefined, undefined],
        `leaf ${index}: no false alarm`,
      );
      if (!test) continue;
      const { run, writer, n } = test;
      const key = `${run} ${writer}`;
      assert.equal(n, found.get(key) ?? 0, `leaf ${index} is the next record of ${key}`);
      found.set(key, n + 1);
      const stored = payloads.get(commitments?.statement?.commitment ?? '');
      assert.ok(
        stored !== null && typeof stored === 'object' && 'data' in stored,
        `the statement of leaf ${index} is there`,
      );
      assert.equal(stored.data.toString(), statementOf(run, writer, n));
    }
  } finally {
    payloads.close();
  }
  for (const [key, count] of witnessed.written) {
    const there = found.get(key) ?? 0;
    assert.ok(there >= count, `${key}: ${count} records were acknowledged, ${there} are in the log`);
  }
}

function dump(file: string): unknown {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all();
    return tables.map(({ name }) => {
      const rows = db.prepare(`SELECT * FROM "${String(name)}"`).all();
      return [name, rows.map((row) => JSON.stringify(row)).sort()];
    });
  } finally {
    db.close();
  }
}

/** Compares the index with one made anew from the log. */
export function checkIndex(dir: string): void {
  const file = join(dir, 'index.db');
  const grown = dump(file);
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${file}${suffix}`, { force: true });
  takeIn(dir);
  assert.deepEqual(grown, dump(file), 'the index says what the log says');
}
