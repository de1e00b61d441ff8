import { readFileSync, statSync } from 'node:fs';
import { usageError } from './failure.ts';

/** A verifier key as C2SP signed notes write it: name, key hash, key. */
const VKEY = /^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+$/;
const LARGEST = 16 * 1024;

/** Verifier keys, one a line, from a flag that has one itself or names a file with them. */
export function verifierKeys(text: string): string {
  return VKEY.test(text) ? text : readSmallFile(text, LARGEST, 'the verifier key');
}

/** The text of a file that cannot be large. */
export function readSmallFile(file: string, largest: number, what: string): string {
  return readSmallBytes(file, largest, what).toString('utf8');
}

export function readSmallBytes(file: string, largest: number, what: string): Buffer {
  try {
    if (statSync(file).size > largest) throw new Error('it is too large');
    return readFileSync(file);
  } catch (error) {
    throw usageError(`cannot read ${what}: ${(error as Error).message}`);
  }
}
