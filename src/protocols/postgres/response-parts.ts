/** What single messages of the server say. */
import type { Running } from './flow.ts';
import { WireError } from './wire.ts';

/** Takes a command tag into account. */
export function note(running: Running, tag: string): void {
  running.tag = running.tag === '' ? tag : `${running.tag}; ${tag}`.slice(0, 200);
  // `SELECT 3`, `INSERT 0 1`, `COPY 10`: the last number is the rows. Those that also came as data are the same ones; a
  // tag without data behind it (no RETURNING, CREATE TABLE AS) is all there is to know.
  const told = Number(/ (\d+)$/.exec(tag)?.[1] ?? 0);
  running.rows = Math.max(running.rows, running.rowsBefore + told);
  running.rowsBefore = running.rows;
}

/** The transaction status of a ReadyForQuery. @throws WireError for a letter that is none */
export function status(letter: number | undefined): 'I' | 'T' | 'E' {
  if (letter === 0x49) return 'I';
  if (letter === 0x54) return 'T';
  if (letter === 0x45) return 'E';
  throw new WireError('a transaction status that does not exist');
}

/** Name and value of a ParameterStatus. */
export function parameter(buffer: Buffer, start: number, end: number): [string, string] {
  const [name = '', value = ''] = buffer.toString('utf8', start + 5, end).split('\0');
  return [name, value];
}
