import { spawn } from 'node:child_process';
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
const MAX_KEY_CHARACTERS = 64 * 1024;

/**
 * Fetches the signing key. The variable is taken out of the environment, so that no process started later inherits it.
 *
 * @throws PosternError POSTERN_INVALID, which holds nothing of the key
 */
export async function fetchLogKey(source: LogKeySource): Promise<string> {
  if ('command' in source) return printed(source.command);
  if ('file' in source) return contentOf(source.file);
  const key = process.env[source.environment];
  delete process.env[source.environment];
  if (!key) throw missing(`The environment variable ${source.environment}, which is to hold it, is empty.`);
  return key;
}

function contentOf(file: string): string {
  try {
    return readPrivateFile(file);
  } catch (error) {
    if (error instanceof PosternError) throw error;
    throw missing(`Its file cannot be read: ${(error as Error).message}.`);
  }
}

function printed([program = '', ...args]: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let key = '';
    const timer = setTimeout(() => end(`took longer than ${DEADLINE_MS / 1000} seconds`), DEADLINE_MS);
    const end = (problem: string | null): void => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      child.stdout.destroy();
      if (problem === null) resolve(key);
      else reject(missing(`The command that prints it (${program}) ${problem}.`));
    };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      key += text;
      if (key.length > MAX_KEY_CHARACTERS) end('prints more than a key');
    });
    child.once('error', (error) => end(`cannot be started: ${error.message}`));
    child.once('close', (code, signal) => {
      end(code === 0 ? null : `ended with ${signal === null ? `exit code ${code}` : signal}`);
    });
  });
}

function missing(why: string): PosternError {
  return new PosternError('POSTERN_INVALID', `There is no signing key for the log. ${why}`);
}
