/**
 * Child processes of tests, demo and benchmarks: output is captured, waits have a limit, and a process is
 * ended by its own id.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** How much of each stream is kept, in characters; of longer output the end. */
const KEPT_OUTPUT = 1 << 20;

export interface Exit {
  /** Null when a signal ended the process. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface StartOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Written to standard input, which is then closed. */
  readonly input?: string;
  /** Leave standard input open, for `child.stdin`. */
  readonly keepStdin?: boolean;
  readonly uid?: number;
  readonly gid?: number;
  /** Called with each piece of standard output or error, as it comes. */
  readonly onOutput?: (text: string) => void;
}

/** A running child process. */
export class Running {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Settles when the process has ended and its output is complete. */
  readonly exited: Promise<Exit>;
  #stdout = '';
  #stderr = '';
  #ended = false;
  readonly #watchers = new Set<() => void>();

  constructor(child: ChildProcess, pid: number, onOutput: ((text: string) => void) | undefined) {
    this.child = child;
    this.pid = pid;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout = (this.#stdout + text).slice(-KEPT_OUTPUT);
      onOutput?.(text);
      this.#notify();
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-KEPT_OUTPUT);
      onOutput?.(text);
      this.#notify();
    });
    this.exited = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        this.#ended = true;
        resolve({ code, signal });
        this.#notify();
      });
    });
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Waits until the output so far (standard output, then standard error) matches.
   *
   * @throws Error with the output, when the process ends first or `timeoutMs` pass
   */
  waitFor(pattern: RegExp, timeoutMs = 20_000): Promise<RegExpMatchArray> {
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void): void => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        finish();
      };
      const fail = (why: string): void =>
        settle(() => reject(new Error(`${why} before ${pattern} was seen:\n${this.#stdout}${this.#stderr}`)));
      const look = (): void => {
        const found = this.#stdout.match(pattern) ?? this.#stderr.match(pattern);
        if (found !== null) settle(() => resolve(found));
        else if (this.#ended) fail('the process ended');
      };
      const timer = setTimeout(() => fail(`${timeoutMs} ms passed`), timeoutMs);
      this.#watchers.add(look);
      look();
    });
  }

  /** Asks the process to end, forces it after `graceMs`, and waits until it is gone. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', graceMs = 10_000): Promise<Exit> {
    if (!this.#ended) {
      this.child.kill(signal);
      const timer = setTimeout(() => this.child.kill('SIGKILL'), graceMs);
      await this.exited;
      clearTimeout(timer);
    }
    return await this.exited;
  }

  /** Puts a failed write to standard input beside the program's own words. */
  noteInputError(error: Error): void {
    this.#stderr += `\n[standard input: ${error.message}]`;
  }

  #notify(): void {
    for (const look of [...this.#watchers]) look();
  }
}

/**
 * Starts a program.
 *
 * @throws Error when it cannot be started, for instance because it is not installed
 */
export async function start(
  command: string,
  args: readonly string[],
  options: StartOptions = {},
): Promise<Running> {
  const settings: SpawnOptions = { stdio: ['pipe', 'pipe', 'pipe'] };
  if (options.cwd !== undefined) settings.cwd = options.cwd;
  if (options.env !== undefined) settings.env = options.env;
  if (options.uid !== undefined) settings.uid = options.uid;
  if (options.gid !== undefined) settings.gid = options.gid;
  const child = spawn(command, args, settings);
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => reject(new Error(`cannot start ${command}: ${error.message}`)));
  });
  const running = new Running(child, child.pid as number, options.onOutput);
  // A program that ends without reading its input closes the pipe under us; its exit code tells the story.
  child.stdin?.on('error', (error) => running.noteInputError(error));
  if (options.keepStdin !== true) child.stdin?.end(options.input ?? '');
  return running;
}

export interface Finished extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end; forced to end after `timeoutMs`. The exit code is the caller's to judge. */
export async function run(
  command: string,
  args: readonly string[],
  options: StartOptions & { readonly timeoutMs?: number } = {},
): Promise<Finished> {
  const running = await start(command, args, options);
  const timer = setTimeout(() => running.child.kill('SIGKILL'), options.timeoutMs ?? 60_000);
  const exit = await running.exited;
  clearTimeout(timer);
  return { ...exit, stdout: running.stdout, stderr: running.stderr };
}

/** A TCP port of 127.0.0.1 that nobody listened on a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port was assigned');
  return address.port;
}

/** Waits until something accepts connections on 127.0.0.1:`port`. */
export async function waitForPort(port: number, timeoutMs = 20_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    if (Date.now() > deadline) throw new Error(`nothing listens on port ${port} after ${timeoutMs} ms`);
    await sleep(20);
  }
}

/** Waits until `condition` holds. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 10_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`);
    await sleep(10);
  }
}

/** Process ids of the gateway workers of a Postern. */
export function workersOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return children
    .split(' ')
    .filter((child) => child !== '' && readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('worker.ts'))
    .map(Number);
}
