import type { EventEmitter } from 'node:events';
import { createWriteStream, mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { openPromise } from 'yauzl';
import { ZipFile } from 'yazl';
import { PosternError } from '../core/errors.ts';
import { notAPackage, ZipRules } from './zip-rules.ts';

/** What lies under a folder: paths of plain files with `/` between the parts, sorted, and paths of anything odd. */
export function listFolder(dir: string): { readonly files: string[]; readonly odd: string[] } {
  const files: string[] = [];
  const odd: string[] = [];
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name).slice(join(dir, '/').length).replaceAll('\\', '/');
    if (entry.isFile()) files.push(path);
    else if (!entry.isDirectory()) odd.push(path);
  }
  return { files: files.sort(), odd: odd.sort() };
}

/** Writes a folder as a zip into a stream and ends it. The folder must not change meanwhile. */
export async function zipFolder(dir: string, out: Writable): Promise<void> {
  const zip = new ZipFile();
  const failed = new Promise<never>((_, reject) => {
    (zip as unknown as EventEmitter).on('error', reject);
  });
  for (const path of listFolder(dir).files) zip.addFile(join(dir, path), path, { mode: 0o100644 });
  zip.end();
  await Promise.race([pipeline(zip.outputStream, out), failed]);
}

/**
 * Unpacks a zip that may be hostile into a folder: plain files under plain names, no more of them and no larger than a
 * package can be.
 *
 * @throws PosternError POSTERN_INVALID for anything else
 */
export async function unzipInto(file: string, dir: string): Promise<void> {
  const rules = new ZipRules(statSync(file).size);
  try {
    const zip = await openPromise(file, { strictFileNames: true });
    for await (const entry of zip.eachEntry()) {
      if (entry.fileName.endsWith('/')) continue;
      rules.admit(entry.fileName, entry.uncompressedSize, entry.externalFileAttributes);
      const path = join(dir, entry.fileName);
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      // yauzl ends the stream with an error where there is more in it than the entry claims.
      const stream = await zip.openReadStreamPromise(entry);
      await pipeline(stream, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
    }
  } catch (error) {
    if (error instanceof PosternError) throw error;
    throw notAPackage(error instanceof Error ? error.message : String(error));
  }
}
