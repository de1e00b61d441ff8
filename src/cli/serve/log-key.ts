import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { PosternError } from '../../core/errors.ts';
import { readPrivateFile } from '../../ledger/note.ts';

/** Where the log's signing key is, when it is not in the data directory. */
export type LogKeySource =
  | { readonly file: string }
  /** Name of an environment variable. */
  | { readonly environment: string }
  /** A program with its arguments; it prints the key on standard output. */
  | { readonly command: readonly string[] };

const DEADLINE_MS = 30_000;

/**
 * Fetches the signing key. The variable is taken out of the environment, so that no process started later inherits it.
 *
 * @throws PosternError POSTERN_INVALID, which holds nothing of the key
 */
export async function fetchLogKey(source: LogKeySource): Promise<string> {
  if ('file' in source) return readPrivateFile(source.file);
  if ('command' in source) return printed(source.command);
  const key = process.env[source.environment];
  delete process.env[source.environment];
  if (!key) throw invalid(`The environment variable ${source.environment}, which is to hold it, is empty.`);
  return key;
}

async function printed([program = '', ...args]: readonly string[]): Promise<string> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: DEADLINE_MS });
  const ended = new Promise<string | null>((resolve) => {
    child.once('error', (error) => resolve(`cannot be started: ${error.message}`));
    child.once('close', (code, signal) => {
      if (signal !== null)
        resolve(`was ended by ${signal}, at the latest after ${DEADLINE_MS / 1000} seconds`);
      else resolve(code === 0 ? null : `ended with exit code ${code}`);
    });
  });
  const [key, problem] = await Promise.all([text(child.stdout), ended]);
  if (problem !== null) throw invalid(`The command that prints it (${program}) ${problem}.`);
  return key;
}

function invalid(why: string): PosternError {
  return new PosternError('POSTERN_INVALID', `There is no signing key for the log. ${why}`);
}
