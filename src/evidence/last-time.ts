import { entries, type TileFiles } from '../ledger/tiles.ts';
import { FILES, type Manifest } from './format.ts';
import type { PackageFiles } from './package-files.ts';
import { LineReader } from './readers.ts';
import { parseObject } from './row-matcher.ts';

/**
 * When the last record in a package was written, from the entries themselves. Null where there is none, or where what is
 * there cannot be read: then other checks say so.
 */
export function lastTime(
  files: PackageFiles,
  store: TileFiles,
  { coverage, log }: Pick<Manifest, 'coverage' | 'log'>,
): string | null {
  try {
    const entry = coverage === 'log' ? lastEntry(store, log.size) : lastLine(files);
    const time = entry === null ? null : parseObject(entry.toString('utf8'))?.time;
    return typeof time === 'string' ? time : null;
  } catch {
    return null;
  }
}

function lastEntry(store: TileFiles, size: number): Buffer | null {
  let last: Buffer | null = null;
  for (const { entry } of entries(store, Math.max(0, size - 1), size)) last = entry;
  return last;
}

function lastLine(files: PackageFiles): Buffer | null {
  if (files.size(FILES.leaves) === null) return null;
  const lines = new LineReader(files.open(FILES.leaves));
  let last: Buffer | null = null;
  for (let line = lines.next(); line !== null; line = lines.next()) last = line;
  lines.close();
  return last;
}
