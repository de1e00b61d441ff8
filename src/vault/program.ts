import { spawn } from 'node:child_process';
import { lstatSync, realpathSync } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';

export interface ProgramOptions {
  /** Written to its standard input, which is then closed. */
  readonly input?: string;
  readonly deadlineMs: number;
  /** It may print at most so many bytes. */
  readonly maxBytes: number;
}

/**
 * Runs a program without a shell and gives what it prints. Its standard error goes where ours goes. The group of processes that
 * it began is ended with it.
 *
 * @throws Error that says what went wrong, and holds nothing of what it printed
 */
export function runProgram(
  [program = '', ...args]: readonly string[],
  options: ProgramOptions,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
    const pieces: Buffer[] = [];
    let bytes = 0;
    const timer = setTimeout(
      () => end(`took longer than ${options.deadlineMs / 1000} seconds`),
      options.deadlineMs,
    );
    let over = false;
    const end = (problem: string | null): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      killGroup(child.pid);
      child.stdout.destroy();
      if (problem === null) resolve(Buffer.concat(pieces));
      else reject(new Error(`the command (${program}) ${problem}`));
      for (const piece of pieces) piece.fill(0);
    };
    child.stdout.on('data', (piece: Buffer) => {
      bytes += piece.length;
      pieces.push(piece);
      if (bytes > options.maxBytes) end('prints more than it may');
    });
    child.once('error', (error) => end(`cannot be started: ${error.message}`));
    child.once('close', (code, signal) =>
      end(code === 0 ? null : `ended with ${signal === null ? `exit code ${code}` : signal}`),
    );
    // One that does not read what it is asked ends by itself or by the deadline.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // All of it has ended.
  }
}

/**
 * Makes sure that nobody but root and ourselves could have put another program there.
 *
 * @throws Error that says what is not safe
 */
export function mustBeSafe([program = '']: readonly string[]): void {
  if (!isAbsolute(program)) throw new Error(`the command (${program}) is not given by its absolute path`);
  for (let path = realpathSync(program); ; path = dirname(path)) {
    const { uid, mode } = lstatSync(path);
    const sticky = (mode & 0o1000) !== 0;
    if ((uid !== 0 && uid !== process.geteuid?.()) || ((mode & 0o022) !== 0 && !sticky))
      throw new Error(`the command (${program}) can be changed by others: look at ${path}`);
    if (path === dirname(path)) return;
  }
}
