import * as fs from 'node:fs';
import { dirname } from 'node:path';
import { syncFiles } from './sync-files.ts';

/** Makes the names in a directory survive a power failure. */
export function syncDirectory(dir: string): void {
  const fd = fs.openSync(dir, 'r');
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

function writeAll(fd: number, data: Uint8Array): void {
  for (let offset = 0; offset < data.length; ) {
    offset += fs.writeSync(fd, data, offset, data.length - offset);
  }
}

/** One file to be written. */
export interface PendingFile {
  readonly path: string;
  readonly data: Uint8Array;
}

/**
 * Writes files so that each is afterwards there in full, or not at all, whatever fails in between: a temporary
 * file beside it, fsync, rename, fsync of the directories. Many at once share the work of the file system's
 * journal: everything is written before the first fsync. Mode 0600, directories 0700.
 */
export function writeDurably(files: readonly PendingFile[]): void {
  const directories = new Set<string>();
  const open: { fd: number; temporary: string; path: string }[] = [];
  try {
    for (const { path, data } of files) {
      const dir = dirname(path);
      if (!directories.has(dir)) {
        const made = fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
        directories.add(dir);
        if (made !== undefined) {
          for (let up = dir; up.length >= made.length; up = dirname(up)) directories.add(dirname(up));
        }
      }
      const temporary = `${path}.tmp`;
      const fd = fs.openSync(temporary, 'w', 0o600);
      open.push({ fd, temporary, path });
      writeAll(fd, data);
    }
    syncFiles(open.map(({ fd }) => fd));
  } finally {
    for (const { fd } of open) fs.closeSync(fd);
  }
  for (const { temporary, path } of open) fs.renameSync(temporary, path);
  for (const dir of directories) syncDirectory(dir);
}
