/**
 * The parts of a package that are its activity in other forms. They are made from the files that are in it already, and so they
 * can be made again from any package whose other files hold.
 */
import { FILES, type Part } from '../format.ts';
import type { ByteSource } from '../package-files.ts';
import type { PackageWriter } from '../package-writer.ts';
import { ocsfBytes } from './ocsf.ts';
import type { PartSource } from './read.ts';

/** Bytes of a file that are compared at once. */
const CHUNK = 1 << 19;

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
      file.writeBytes(piece);
      return true;
    });
    close();
  }
}

/**
 * Makes a part again, and says whether it is, byte for byte, the file of the package.
 *
 * @throws Error where the files it is made from are not what they should be
 */
export async function partHolds(
  source: PartSource,
  part: Part,
  pause: () => Promise<void>,
): Promise<boolean> {
  // That it is not there is told with all other files.
  if (source.files.size(FILES[part]) === null) return false;
  const file = source.files.open(FILES[part]);
  try {
    const buffer = Buffer.allocUnsafe(CHUNK);
    const same = await eachPiece(source, part, pause, (piece) => comesNext(file, piece, buffer));
    return same && file.read(buffer.subarray(0, 1)) === 0;
  } finally {
    file.close();
  }
}

function comesNext(file: ByteSource, piece: Uint8Array, buffer: Buffer): boolean {
  for (let at = 0; at < piece.length; ) {
    const read = file.read(buffer.subarray(0, Math.min(CHUNK, piece.length - at)));
    if (read === 0 || buffer.compare(piece, at, at + read, 0, read) !== 0) return false;
    at += read;
  }
  return true;
}

/** Goes on as long as the pieces are taken; answers whether all were. */
async function eachPiece(
  source: PartSource,
  part: Part,
  pause: () => Promise<void>,
  take: (piece: Uint8Array) => boolean,
): Promise<boolean> {
  for (const piece of await piecesOf(source, part)) {
    if (!take(piece)) return false;
    await pause();
  }
  return true;
}

/** The code for Parquet is loaded only where it is asked for. */
async function piecesOf(source: PartSource, part: Part): Promise<Iterable<Uint8Array>> {
  if (part === 'ocsf') return ocsfBytes(source);
  const { parquetBytes } = await import('./parquet.ts');
  return parquetBytes(source);
}
