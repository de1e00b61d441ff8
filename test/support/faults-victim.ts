/**
 * A process that journals, sequences, signs, begins new journals (at its start, at their size limit, when told to, after a refused sync)
 * and ends, always in the same steps, and says on standard output
 * what it was told has been written: `wrote RUN WRITER COUNT .` and `released NOTE .`. It is there to be killed.
 *
 *   node faults-victim.ts DIRECTORY RUN
 */
import { readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { IndexFollower } from '../../src/activity/index-follower.ts';
import { Sequencing } from '../../src/activity/sequencing.ts';
import { JournalWriter } from '../../src/ledger/journal.ts';
import { command, KEYS } from './faults-history.ts';

const [dir = '', run = ''] = process.argv.slice(2);
const journals = join(dir, 'journal');
const written = new Map<string, number>();

function write(writer: JournalWriter, name: string, records: number): void {
  let n = written.get(name) ?? 0;
  for (const end = n + records; n < end; n++) {
    const { json, payloads } = command(run, name, n);
    writer.append(json, payloads);
  }
  writer.flush();
  written.set(name, n);
  writeSync(1, `wrote ${run} ${name} ${n} .\n`);
}

function sign(sequencing: Sequencing): void {
  sequencing.checkpoint();
  index.step(sequencing.size);
  const note = readFileSync(join(dir, 'log', 'checkpoint')).toString('base64');
  writeSync(1, `released ${note} .\n`);
}

let a = JournalWriter.create(journals, 'a');
// It begins a new file by itself in the middle of the run.
const b = JournalWriter.create(journals, 'b', 2500);
const sequencing = Sequencing.open({ dataDir: dir, keys: KEYS });
const index = IndexFollower.open(dir, sequencing.size);
write(a, 'a', 7);
write(b, 'b', 3);
sequencing.step();
sign(sequencing);
write(b, 'b', 5);
write(a, 'a', 20);
// Where the disk refuses this, the next write begins a new journal.
await a.sync().catch((error: Error) => writeSync(1, `refused ${error.message} .\n`));
write(a, 'a', 1);
// A new journal of the same writer: the old one is deleted once its records are leaves.
a.close();
write(b, 'b', 6);
a = JournalWriter.create(journals, 'a');
write(a, 'a', 4);
sequencing.step();
sign(sequencing);
write(a, 'a', 2);
sequencing.step();
a.rotate();
write(b, 'b', 2);
b.close();
a.close();
sequencing.step();
sign(sequencing);
sequencing.close();
index.close();
