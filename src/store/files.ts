import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
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
  syncDirectory(dirname(path));
}

/**
 * Reads a file that holds a secret.
 *
 * @param maxBytes a longer one is refused
 * @throws PosternError POSTERN_INVALID where others than its owner may read it, or it is longer; Error where it cannot be read
 */
export function readPrivate(path: string, maxBytes: number): string {
  const file = openSync(path, 'r');
  try {
    const { mode, size } = fstatSync(file);
    if ((mode & 0o077) !== 0) {
      throw new PosternError(
        'POSTERN_INVALID',
        `The file ${path} can be read by others than its owner.`,
        `chmod 600 ${path}, and think about who may have read it.`,
      );
    }
    if (size > maxBytes) throw new PosternError('POSTERN_INVALID', `The file ${path} is too long.`);
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

/** As `writePrivate`, and what was there is overwritten where it lies. A file system that copies on write keeps it all the same. */
export function replacePrivate(path: string, content: string): void {
  if (!existsSync(path)) {
    writePrivate(path, content);
    return;
  }
  const old = openSync(path, 'r+');
  try {
    writePrivate(path, content);
    wipe(old);
  } finally {
    closeSync(old);
  }
}

/** Overwrites a file and removes it, where there is one. */
export function destroyPrivate(path: string): void {
  if (!existsSync(path)) return;
  const file = openSync(path, 'r+');
  try {
    wipe(file);
    rmSync(path);
  } finally {
    closeSync(file);
  }
  syncDirectory(dirname(path));
}

function wipe(file: number): void {
  writeSync(file, Buffer.alloc(fstatSync(file).size), 0, undefined, 0);
  fsyncSync(file);
}

function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
