import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import type { Finding } from './verify.ts';

/** What the log says of its own history in a leaf: records that were lost, or that came again. */
export function recoveryFindings(leaf: number, record: Readonly<Record<string, unknown>>): Finding[] {
  if (record.type !== 'ledger.recovered') return [];
  const listOf = (value: unknown): Readonly<Record<string, unknown>>[] => (Array.isArray(value) ? value : []);
  const lost = listOf(record.lost).map(({ file, offset, what }): Finding => {
    const was = what === 'shorter' ? 'ended before' : 'was gone, read up to';
    const message = `${was} offset ${offset} at ${record.time}: what it had more is not in the log (leaf ${leaf} says so)`;
    return { severity: 'error', file: `journal/${file}`, leaf, message };
  });
  const repeated = listOf(record.repeated).map(({ file, records }): Finding => {
    const message = `had ${records} records again that the log has; they were not taken twice (leaf ${leaf} says so)`;
    return { severity: 'info', file: `journal/${file}`, leaf, message };
  });
  if (record.corrected === undefined) return [...lost, ...repeated];
  const message = `the numbers of ${record.corrected} principals were not those of the log and were put right at ${record.time}`;
  return [...lost, ...repeated, { severity: 'info', file: 'log/sequencer.db', leaf, message }];
}

/**
 * Compares what the sequencer remembers with the log, where no process has it open.
 *
 * @param principals last `principalSeq` by principal, of a log of `size` leaves
 */
export function* checkSequencer(
  dataDir: string,
  size: number,
  principals: ReadonlyMap<string, number>,
): Generator<Finding, void> {
  const file = join(dataDir, 'log', 'sequencer.db');
  if (!existsSync(file) || existsSync(`${file}-wal`)) return;
  const url = pathToFileURL(file);
  // So that nothing is written beside it.
  url.search = 'immutable=1';
  const db = new DatabaseSync(url, { readOnly: true });
  const error = (of: string, message: string): Finding => ({ severity: 'error', file: of, message });
  try {
    const log = db.prepare('SELECT size FROM log').get();
    const remembered = new Map(
      db
        .prepare('SELECT principal, next FROM sequences')
        .all()
        .map(({ principal, next }) => [String(principal), Number(next) - 1]),
    );
    if (Number(log?.size) === size) {
      for (const id of new Set([...remembered.keys(), ...principals.keys()])) {
        const [has, is] = [remembered.get(id) ?? 0, principals.get(id) ?? 0];
        if (has === is) continue;
        yield error('log/sequencer.db', `says that ${id} has ${has} records, and the log has ${is}`);
      }
    }
    const retired = new Set(
      db
        .prepare('SELECT file FROM retired')
        .all()
        .map(({ file: name }) => name),
    );
    for (const { file: name, position } of db.prepare('SELECT file, position FROM journals').all()) {
      if (retired.has(name) || existsSync(join(dataDir, 'journal', String(name)))) continue;
      yield error(
        `journal/${name}`,
        `is missing: it was read up to offset ${position}, and what it had more is not in the log`,
      );
    }
  } catch (cause) {
    yield error('log/sequencer.db', `cannot be read: ${(cause as Error).message}`);
  } finally {
    db.close();
  }
}
