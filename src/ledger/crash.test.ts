import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openCheckpoint } from './checkpoint.ts';
import { JournalWriter } from './journal.ts';
import { parseVerifierKey } from './note.ts';
import { consistencyProof, verifyConsistency } from './proof.ts';
import {
  Collector,
  commandJson,
  drain,
  openLog,
  statement,
  temporaryDirectory,
  verified,
} from './test-log.ts';
import { TileStore } from './tiles.ts';

const VICTIM = 'write-and-sequence-until-killed';
const ROUNDS = 24;

/** Writes and sequences as fast as it can; says on stdout what was acknowledged and what was released. */
function victim(dir: string, round: string): void {
  const log = openLog(dir);
  const writers = ['a', 'b'].map((name) => JournalWriter.create(join(dir, 'journal'), name));
  for (let turn = 0; ; turn++) {
    const ids: string[] = [];
    for (const [w, writer] of writers.entries()) {
      for (let i = 0; i < 1 + ((turn * 7) % 40); i++) {
        const id = `${round}.${turn}.${w}.${i}`;
        ids.push(id);
        const time = new Date().toISOString();
        writer.append(commandJson(id, `p${i % 4}`, time), [statement(`select ${id} ${turn % 9}`)]);
      }
      writer.flush();
    }
    fs.writeSync(1, `${ids.map((id) => `ack ${id} .\n`).join('')}`);
    if (turn % 2 === 0) log.sequencer.step(97);
    if (turn % 5 === 0) {
      const note = log.sequencer.checkpointNow();
      fs.writeSync(1, `checkpoint ${Buffer.from(note).toString('base64')} .\n`);
    }
  }
}

async function killedAfter(
  dir: string,
  round: number,
  acknowledged: Set<string>,
  released: string[],
): Promise<void> {
  const child: ChildProcess = spawn(process.execPath, [import.meta.filename, VICTIM, dir, String(round)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  assert.ok(child.stdout);
  const lines = createInterface({ input: child.stdout });
  const begun = Promise.race([once(lines, 'line'), closed]);
  lines.on('line', (line) => {
    // A line without its full stop was cut by the kill: it was not said.
    const [word, value, stop] = line.split(' ');
    if (stop !== '.' || !value) return;
    if (word === 'ack') acknowledged.add(value);
    if (word === 'checkpoint') released.push(value);
  });
  // Every third is killed at any time from its start on, the opening of the log included.
  if (round % 3 > 0) await begun;
  await sleep(Math.random() * (round % 3 > 0 ? 200 : 400));
  child.kill('SIGKILL');
  await closed;
}

if (process.argv[2] === VICTIM) {
  victim(process.argv[3] as string, process.argv[4] as string);
} else {
  describe('after kill -9 at any moment', () => {
    it('nothing acknowledged is missing or doubled, and every released checkpoint is part of the tree', async () => {
      const dir = temporaryDirectory();
      const acknowledged = new Set<string>();
      const released: string[] = [];
      for (let round = 0; round < ROUNDS; round++) await killedAfter(dir, round, acknowledged, released);
      const seen = new Collector();
      const log = openLog(dir, [seen]);
      drain(log.sequencer);
      const { size, root } = log.sequencer;

      const ids = seen.leaves.map(({ record }) => record.id);
      assert.equal(new Set(ids).size, ids.length, 'no record is doubled');
      const present = new Set(ids);
      assert.deepEqual(
        [...acknowledged].filter((id) => !present.has(id)),
        [],
        'no record is missing',
      );
      assert.deepEqual(verified(dir, log.sequencer.vkey).findings, []);
      for (const { record } of seen.leaves) {
        const commitment = record.payloads?.statement?.commitment;
        if (commitment) assert.ok(log.payloads.get(commitment));
      }

      const verifier = parseVerifierKey(log.sequencer.vkey);
      const { readTile } = new TileStore(join(dir, 'log'));
      assert.ok(released.length > 0 && acknowledged.size > 1000);
      for (const note of released) {
        const old = openCheckpoint(Buffer.from(note, 'base64'), verifier);
        const proof = consistencyProof(readTile, old.size, size);
        assert.ok(verifyConsistency(old.size, old.root, size, root, proof), `checkpoint of ${old.size}`);
      }
      log.close();
      fs.rmSync(dir, { recursive: true });
    });
  });
}
