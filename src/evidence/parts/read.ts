import type { LeafRecord } from '../../ledger/leaf.ts';
import { entries, TileFiles } from '../../ledger/tiles.ts';
import { FILES, type Manifest, type ShownCommandRow } from '../format.ts';
import type { PackageFiles } from '../package-files.ts';
import { LineReader } from '../readers.ts';
import { tileReader } from '../verify-bytes.ts';

/** What a part is made from: the package as far as it was written, and what its manifest will say of it. */
export interface PartSource {
  readonly files: PackageFiles;
  readonly manifest: Pick<Manifest, 'coverage' | 'parameters' | 'log'>;
}

const TYPE = Buffer.from('"type":"');
const COMMAND = Buffer.from('command.');

/** The records of a package that are no part of a command, in the order of the log. */
export function* otherRecords({ files, manifest }: PartSource): Generator<LeafRecord> {
  for (const entry of allEntries({ files, manifest })) {
    // No text that anybody chose stands before the type of a record.
    const at = entry.indexOf(TYPE) + TYPE.length;
    if (entry.compare(COMMAND, 0, COMMAND.length, at, at + COMMAND.length) === 0) continue;
    yield JSON.parse(entry.toString('utf8')) as LeafRecord;
  }
}

function* allEntries({ files, manifest }: PartSource): Generator<Buffer> {
  if (manifest.coverage === 'log') {
    for (const { entry } of entries(new TileFiles(tileReader(files)), 0, manifest.log.size)) yield entry;
  } else yield* linesOf(files, FILES.leaves);
}

/** A row of a command as it is in the package. */
export function rowOf(line: Buffer): ShownCommandRow {
  return JSON.parse(line.toString('utf8')) as ShownCommandRow;
}

/** The lines of a file, without their ends. */
export function* linesOf(files: PackageFiles, path: string): Generator<Buffer> {
  const lines = new LineReader(files.open(path));
  try {
    for (let line = lines.next(); line !== null; line = lines.next()) yield line;
  } finally {
    lines.close();
  }
}
