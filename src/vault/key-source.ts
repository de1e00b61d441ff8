import { PosternError } from '../core/errors.ts';
import { readPrivate } from '../store/files.ts';
import { mustBeSafe, runProgram } from './program.ts';

/** Where a key is that is not in the data directory. */
export type KeySource =
  | { readonly file: string }
  /** Name of an environment variable. */
  | { readonly environment: string }
  /** A program with its arguments; it prints the key on standard output. */
  | { readonly command: readonly string[] };

const DEADLINE_MS = 30_000;
const MAX_KEY_BYTES = 64 * 1024;

export interface FetchOptions {
  /** What is fetched, for messages: `signing key for the log`. */
  readonly what: string;
  /** Whether the command must be given by its path, and be safe from others. */
  readonly safeCommand?: boolean;
  readonly deadlineMs?: number;
}

/**
 * Fetches the text of a key. A variable is taken out of the environment, so that no process started later inherits it.
 *
 * @throws PosternError POSTERN_INVALID, which holds nothing of the key
 */
export async function fetchKey(source: KeySource, options: FetchOptions): Promise<string> {
  const missing = (why: string): PosternError =>
    new PosternError('POSTERN_INVALID', `There is no ${options.what}. ${why}`);
  if ('environment' in source) {
    const key = process.env[source.environment];
    delete process.env[source.environment];
    if (key) return key;
    throw missing(`The environment variable ${source.environment}, which is to hold it, is empty.`);
  }
  try {
    if ('file' in source) return readPrivate(source.file, MAX_KEY_BYTES);
    if (options.safeCommand) mustBeSafe(source.command);
    const printed = await runProgram(source.command, {
      deadlineMs: options.deadlineMs ?? DEADLINE_MS,
      maxBytes: MAX_KEY_BYTES,
    });
    const text = printed.toString('utf8');
    printed.fill(0);
    return text;
  } catch (error) {
    if (error instanceof PosternError) throw error;
    const why = (error as Error).message;
    throw missing('file' in source ? `Its file cannot be read: ${why}.` : `To get it: ${why}.`);
  }
}
