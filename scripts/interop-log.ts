/**
 * Makes a log for another implementation to verify: `node scripts/interop-log.ts DIR`. At each of some sizes it keeps
 * the checkpoint, a proof of the first, the last and a few other leaves, and the proof that the log continues the size before.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataKeys } from '../src/core/data-keys.ts';
import { uuidv7 } from '../src/core/ids.ts';
import { nowMicros, rfc3339 } from '../src/core/time.ts';
import { JournalWriter } from '../src/ledger/journal.ts';
import { PayloadStore } from '../src/ledger/payloads.ts';
import { PublishedLog } from '../src/ledger/published-log.ts';
import { Sequencer } from '../src/ledger/sequencer.ts';
import { formatSubmission } from '../src/ledger/witness-protocol.ts';

const SIZES = [1, 2, 3, 255, 256, 257, 65_535, 65_536, 65_537, 70_000];

const dir = process.argv[2];
if (dir === undefined) throw new Error('Name a folder.');
for (const folder of ['proofs', 'consistency', 'checkpoints'])
  mkdirSync(join(dir, folder), { recursive: true });

const journal = JournalWriter.create(join(dir, 'journal'), 'interop');
const principal = { id: uuidv7(), name: 'batch' };
for (let i = 0; i < Math.max(...SIZES); i++) {
  const base = { id: uuidv7(), time: rfc3339(nowMicros()), type: 'command.intent' };
  journal.append(JSON.stringify({ ...base, actor: { kind: 'principal', ...principal }, principal, i }));
  if (i % 100 === 0) journal.flush();
}
journal.close();

const payloads = PayloadStore.open(join(dir, 'payloads.db'), DataKeys.of(Buffer.alloc(32, 1)));
const sequencer = Sequencer.open({ dir, payloads });
const log = new PublishedLog(join(dir, 'log'));
let before = 0;
for (const size of SIZES) {
  while (sequencer.size < size) sequencer.step(size - sequencer.size);
  const note = sequencer.checkpointNow();
  writeFileSync(join(dir, 'checkpoints', String(size)), note);
  for (const leaf of new Set([0, Math.floor(size / 3), Math.max(0, size - 257), size - 1])) {
    writeFileSync(join(dir, 'proofs', `${leaf}-of-${size}.tlog-proof`), log.prove(leaf).proof);
  }
  const { old, proof } = log.consistency(before);
  writeFileSync(join(dir, 'consistency', `${old}-${size}`), formatSubmission({ old, proof, note }));
  before = size;
}
sequencer.close();
payloads.close();
