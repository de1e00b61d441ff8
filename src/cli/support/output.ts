import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { type Column, TextTable } from './table.ts';
import { safeJson } from './text.ts';

/** Prints a JSON document on standard output. */
export async function printJson(value: unknown): Promise<void> {
  await print(`${safeJson(value, 2)}\n`);
}

/** Prints on standard output, and waits where its reader is slower. */
export async function print(text: string, to: Writable = process.stdout): Promise<void> {
  if (text !== '' && !to.write(text)) await Promise.race([once(to, 'drain'), once(to, 'close')]);
}

/** Says something to the person at the terminal, apart from the results: on standard error. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Prints a list: as JSON `{"items":[...],"next":null}`, or as a table. */
export async function printList<T>(
  items: readonly T[],
  columns: readonly Column<T>[],
  options: { readonly json?: boolean | undefined; readonly empty: string },
): Promise<void> {
  if (options.json) await printJson({ items, next: null });
  else if (items.length === 0) note(options.empty);
  else await print(new TextTable(columns, terminalWidth()).format(items));
}

/** Columns of the terminal; Infinity where standard output is none, and nothing is to be cut. */
export function terminalWidth(): number {
  return process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY;
}

/**
 * Where long output goes: on a terminal through `less`, which steps aside when everything fits on one screen, or
 * straight out where there is no `less`; otherwise standard output.
 */
export async function withPager(write: (to: Writable) => Promise<void>): Promise<void> {
  if (!process.stdout.isTTY) return write(process.stdout);
  const pager = spawn('less', ['-FRX'], {
    stdio: ['pipe', 'inherit', 'inherit'],
    // What is shown may hold anything; its reader is to read, not to start other programs from here.
    env: { ...process.env, LESSSECURE: '1' },
  });
  const started = await new Promise<boolean>((resolve) => {
    pager.once('spawn', () => resolve(true));
    pager.once('error', () => resolve(false));
  });
  if (!started) return write(process.stdout);
  // The reader may leave before the end; and Ctrl-C belongs to `less` while it shows something.
  pager.stdin.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  const ignore = (): void => undefined;
  process.on('SIGINT', ignore);
  const closed = once(pager, 'close');
  try {
    await write(pager.stdin);
  } finally {
    pager.stdin.end();
    await closed;
    process.off('SIGINT', ignore);
  }
}
