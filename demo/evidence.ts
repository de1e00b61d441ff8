import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unzipInto } from '../src/evidence/zip.ts';
import { expect, good, say, step } from './stage.ts';
import { HERE, type World } from './world.ts';

const KEY = `${HERE}/data/log/log.vkey`;
const PACKAGE = `${HERE}/evidence.zip`;
const CHANGED = `${HERE}/evidence-changed`;

/** The evidence leaves the building, is verified, and one byte of it is changed. */
export async function evidence(world: World): Promise<void> {
  step('The evidence, for somebody who trusts nobody here');
  say(
    `The package holds who could do what, on whose word, every statement with its outcome, and the proof that this is all of
    the log. It is verified offline, from itself and the log's public key, which the examiner has from an earlier visit.`,
  );
  await world.postern(['evidence', 'export', '--out', PACKAGE]);
  const { stdout } = await world.postern(['verify', PACKAGE, '--key', KEY]);
  expect(stdout.includes('VERIFIED'), 'the package was not verified', stdout);

  step('Now somebody makes the attempt on the salaries disappear');
  await unzipInto(join(world.base, PACKAGE), join(world.base, CHANGED));
  const file = changeOneByte(join(world.base, CHANGED));
  say(`One letter, in one of the package's files (${CHANGED}/${file}): "hr.salaries" becomes "hr.calaries".`);
  const report = await world.postern(['verify', CHANGED, '--key', KEY], { code: 3 });
  expect(report.stdout.includes(file), 'the changed file is not named', report.stdout);
  good('exit code 3, and what is wrong is named');
}

/** Changes one letter of the entry of the refused statement. Returns the file's name within the package. */
function changeOneByte(folder: string): string {
  const entries = join('tlog', 'tile', 'entries');
  for (const name of readdirSync(join(folder, entries), { recursive: true, encoding: 'utf8' }).sort()) {
    const file = join(folder, entries, name);
    const bytes = name.endsWith('.p') || !/\d+$/.test(name) ? null : readable(file);
    const at = bytes?.indexOf('"hr.salaries"') ?? -1;
    if (bytes === null || at < 0) continue;
    bytes.write('c', at + '"hr.'.length);
    writeFileSync(file, bytes);
    return join(entries, name);
  }
  throw new Error('no entry of the package holds the refused statement');
}

/** The bytes of a plain file; null for a folder. */
function readable(file: string): Buffer | null {
  try {
    return readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EISDIR') return null;
    throw error;
  }
}
