import { readFileSync } from 'node:fs';

/** Memory that the process has for itself, without that of files which others share, in KiB. */
export function privateKib(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return [...rollup.matchAll(/^Private_(?:Clean|Dirty): +(\d+) kB$/gm)].reduce(
    (sum, [, kib]) => sum + Number(kib),
    0,
  );
}
