/**
 * A process with a journal and a sequencer that does what it is told on standard input, one line each: `write N` records, `sync`,
 * `sign`. It answers `wrote RUN WRITER COUNT .`, `synced .`, `released NOTE .`, or `refused CODE MESSAGE`, and goes on.
 *
 *   node faults-writer.ts DIRECTORY RUN
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Sequencing } from '../../src/activity/sequencing.ts';
import { JournalWriter } from '../../src/ledger/journal.ts';
import { command, KEYS } from './faults-history.ts';

const [dir = '', run = ''] = process.argv.slice(2);
const writer = JournalWriter.create(join(dir, 'journal'), 'w');
const sequencing = Sequencing.open({ dataDir: dir, keys: KEYS });
let written = 0;

async function obey(line: string): Promise<string> {
  const [word, number] = line.split(' ');
  if (word === 'write') {
    const end = written + Number(number);
    for (let n = written; n < end; n++) {
      const { json, payloads } = command(run, 'w', n);
      writer.append(json, payloads);
    }
    writer.flush();
    written = end;
    return `wrote ${run} w ${written} .`;
  }
  if (word === 'sync') {
    await writer.sync();
    return 'synced .';
  }
  while (sequencing.step() > 0);
  sequencing.checkpoint();
  return `released ${readFileSync(join(dir, 'log', 'checkpoint')).toString('base64')} .`;
}

console.log('ready .');
for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log(await obey(line));
  } catch (error) {
    console.log(`refused ${(error as { code?: string }).code} ${(error as Error).message}`);
  }
}
sequencing.close();
writer.close();
