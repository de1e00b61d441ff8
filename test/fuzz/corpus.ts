import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Inputs that once went somewhere new, or broke something: a file each, named after its content. */
const folder = (target: string): string => fileURLToPath(new URL(`./corpus/${target}`, import.meta.url));

export function readCorpus(target: string): Buffer[] {
  const from = folder(target);
  if (!existsSync(from)) return [];
  return readdirSync(from)
    .sort()
    .map((file) => readFileSync(`${from}/${file}`));
}

/** @returns the path of the file */
export function keep(target: string, input: Uint8Array): string {
  const to = folder(target);
  mkdirSync(to, { recursive: true });
  const path = `${to}/${createHash('sha256').update(input).digest('hex').slice(0, 16)}`;
  writeFileSync(path, input);
  return path;
}
