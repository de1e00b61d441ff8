import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { PosternError } from '../core/errors.ts';

/**
 * Makes a directory that only its owner may enter. One that exists already must not be writable by others:
 * whoever can replace files in it can replace the log.
 *
 * @throws PosternError POSTERN_INVALID
 */
export function ensureDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const info = statSync(path);
  if (!info.isDirectory()) throw new PosternError('POSTERN_INVALID', `${path} is not a directory.`);
  if ((info.mode & 0o022) !== 0) {
    throw new PosternError(
      'POSTERN_INVALID',
      `The directory ${path} can be written by others than its owner.`,
      `chmod go-w ${path}`,
    );
  }
}

/** Makes sure that a file exists with mode 0600 before a library opens it with a mode of its own choice. */
export function touchPrivate(path: string): void {
  closeSync(openSync(path, 'a', 0o600));
}

/** Writes a private file (0600) whole or not at all, and durably. */
export function writePrivate(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.new`;
  const file = openSync(temporary, 'w', 0o600);
  try {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    let offset = 0;
    while (offset < bytes.length) offset += writeSync(file, bytes, offset);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  const directory = openSync(dirname(path), 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
