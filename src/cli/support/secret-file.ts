import { closeSync, mkdirSync, openSync, readSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { usageError } from './failure.ts';

const LARGEST = 4096;

/**
 * The secret in a file, or on standard input for `-`: its bytes as text without one line end at their end.
 *
 * @throws CliError (usage) when it cannot be read, is empty, longer than 4096 bytes or more than one line
 */
export function readSecret(path: string, what: string): string {
  const buffer = Buffer.alloc(LARGEST + 1);
  let length = 0;
  try {
    const file = path === '-' ? 0 : openSync(path, 'r');
    try {
      for (let read = -1; read !== 0 && length < buffer.length; length += read) {
        read = readSync(file, buffer, length, buffer.length - length, null);
      }
    } finally {
      if (file !== 0) closeSync(file);
    }
  } catch (error) {
    throw usageError(`cannot read ${what} from ${path}: ${(error as Error).message}`);
  }
  const text = buffer.toString('utf8', 0, length).replace(/\r?\n$/, '');
  if (text === '') throw usageError(`${path} holds no ${what}: it is empty`);
  if (length > LARGEST || /[\0\r\n]/.test(text)) {
    throw usageError(`${path} does not hold ${what}: it must be one line of at most ${LARGEST} bytes`);
  }
  return text;
}

/** Writes a file that only its owner can read, in one step: nobody ever sees half of it or finds it open to others. */
export function writePrivateFile(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, content, { mode: 0o600, flag: 'wx' });
    renameSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
}
