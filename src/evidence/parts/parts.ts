/**
 * The parts of a package that are its activity in other forms. They are made from the files that are in it already, and so they
 * can be made again from any package whose other files hold.
 */
import { createHash } from 'node:crypto';
import { FILES, type Part } from '../format.ts';
import type { PackageWriter } from '../package-writer.ts';
import { ocsfLines } from './ocsf.ts';
import type { PartSource } from './read.ts';

/** Pieces between two pauses. */
const PAUSE = 128;

/** Writes the parts that were asked for. */
export async function writeParts(
  source: PartSource,
  parts: readonly Part[],
  writer: PackageWriter,
  pause: () => Promise<void>,
): Promise<void> {
  for (const part of parts) {
    const { file, close } = writer.open(FILES[part]);
    await eachPiece(source, part, pause, (piece) => {
      if (typeof piece === 'string') file.write(piece);
      else file.writeBytes(piece);
    });
    close();
  }
}

/**
 * Makes a part again, to be compared.
 *
 * @returns its SHA-256, hex
 * @throws Error where the files it is made from are not what they should be
 */
export async function partSha256(
  source: PartSource,
  part: Part,
  pause: () => Promise<void>,
): Promise<string> {
  const sum = createHash('sha256');
  await eachPiece(source, part, pause, (piece) => sum.update(piece));
  return sum.digest('hex');
}

async function eachPiece(
  source: PartSource,
  part: Part,
  pause: () => Promise<void>,
  take: (piece: string | Uint8Array) => void,
): Promise<void> {
  let count = 0;
  for (const piece of await piecesOf(source, part)) {
    take(piece);
    if (++count % PAUSE === 0) await pause();
  }
}

/** The code for Parquet is loaded only where it is asked for. */
async function piecesOf(source: PartSource, part: Part): Promise<Iterable<string | Uint8Array>> {
  if (part === 'ocsf') return ocsfLines(source);
  const { parquetBytes } = await import('./parquet.ts');
  return parquetBytes(source);
}
