import * as fs from 'node:fs';
import { join } from 'node:path';
import { parseCheckpoint } from './checkpoint.ts';
import { writeDurably } from './files.ts';
import { splitNote } from './note.ts';

/**
 * The cosigned checkpoint of a log folder, `checkpoint.cosigned`, beside `checkpoint`, which is the sequencer's alone: cosignatures
 * come late, and nobody else may touch the file that says how far the log has signed.
 */
const FILE = 'checkpoint.cosigned';

/** Text of a checkpoint that was cosigned, and how large its tree is. */
export interface CosignedCheckpoint {
  readonly note: string;
  readonly size: number;
}

/** The newest cosigned checkpoint; null where there is none, or the file is damaged, which the next one mends. */
export function readCosigned(logDir: string): CosignedCheckpoint | null {
  const file = join(logDir, FILE);
  if (!fs.existsSync(file)) return null;
  try {
    const note = fs.readFileSync(file, 'utf8');
    return { note, size: parseCheckpoint(splitNote(note).text).size };
  } catch {
    return null;
  }
}

export function writeCosigned(logDir: string, note: string): void {
  writeDurably([{ path: join(logDir, FILE), data: Buffer.from(note) }]);
}

/** The last released checkpoint, with the cosignatures that there are of this very one. */
export function releasedCheckpoint(logDir: string): string {
  const note = fs.readFileSync(join(logDir, 'checkpoint'), 'utf8');
  const cosigned = readCosigned(logDir);
  return cosigned !== null && splitNote(cosigned.note).text === splitNote(note).text ? cosigned.note : note;
}
