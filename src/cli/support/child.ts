import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { CliError } from './failure.ts';

/** How a command ended: by itself, by a signal, or before it began. */
export type Ended =
  | { readonly how: 'exit'; readonly code: number }
  | { readonly how: 'signal'; readonly signal: NodeJS.Signals }
  | { readonly how: 'unstarted'; readonly code: 'ENOENT' | 'EACCES' | string; readonly message: string };

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/**
 * The exit code that a shell would give.
 *
 * @see https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_08_02
 */
export function exitCode(ended: Ended): number {
  if (ended.how === 'exit') return ended.code;
  if (ended.how === 'signal') return 128 + constants.signals[ended.signal];
  return ended.code === 'ENOENT' ? 127 : 126;
}

/** For the record: `exit 0`, `signal SIGTERM`, `command could not be started (ENOENT)`. */
export function describeEnd(ended: Ended): string {
  if (ended.how === 'exit') return `exit ${ended.code}`;
  if (ended.how === 'signal') return `signal ${ended.signal}`;
  return `command could not be started (${ended.code})`;
}

/**
 * Catches the signals that would end this process, from its making until `release`, so that whatever happens in
 * between can be undone. Signals that arrive while a command runs are passed on to it; one that arrives at another
 * time is remembered in `caught`.
 */
export class SignalGuard {
  readonly #handlers = new Map<NodeJS.Signals, () => void>();
  #kill: ((signal: NodeJS.Signals) => void) | null = null;
  #caught: NodeJS.Signals | null = null;

  constructor() {
    for (const signal of FORWARDED) {
      const handler = (): void => this.#arrived(signal);
      this.#handlers.set(signal, handler);
      process.on(signal, handler);
    }
  }

  /** The first signal that no running command took. */
  get caught(): NodeJS.Signals | null {
    return this.#caught;
  }

  /** @throws CliError when a signal has asked to stop */
  check(): void {
    if (this.#caught)
      throw new CliError('CLI_ABORTED', `stopped by ${this.#caught} before the command was started`);
  }

  /** Runs a command with this process's standard streams until it ends. Never rejects. */
  run(file: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Ended> {
    return new Promise((resolve) => {
      const finish = (ended: Ended): void => {
        this.#kill = null;
        resolve(ended);
      };
      try {
        const child = spawn(file, args, { stdio: 'inherit', env });
        this.#kill = (signal) => child.kill(signal);
        child.on('error', (error: NodeJS.ErrnoException) => {
          // Also raised when a signal cannot be sent; then the command runs on and its end is still to come.
          if (child.pid === undefined) finish(unstarted(error));
        });
        child.on('exit', (code, signal) => {
          finish(signal ? { how: 'signal', signal } : { how: 'exit', code: code ?? 0 });
        });
      } catch (error) {
        finish(unstarted(error as NodeJS.ErrnoException));
      }
    });
  }

  release(): void {
    for (const [signal, handler] of this.#handlers) process.off(signal, handler);
    this.#handlers.clear();
  }

  #arrived(signal: NodeJS.Signals): void {
    if (!this.#kill) this.#caught ??= signal;
    else if (!typedOnTerminal(signal)) this.#kill(signal);
  }
}

/**
 * Ctrl-C and Ctrl-\ reach every process of the terminal's foreground group, so the command has them already; many
 * programs take a second one as the order to quit at once, without cleaning up.
 */
function typedOnTerminal(signal: NodeJS.Signals): boolean {
  if (signal !== 'SIGINT' && signal !== 'SIGQUIT') return false;
  return Boolean(process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY);
}

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'command not found',
  EACCES: 'not allowed to run it',
};

function unstarted(error: NodeJS.ErrnoException): Ended {
  const code = error.code ?? 'UNKNOWN';
  return { how: 'unstarted', code, message: WORDS[code] ?? error.message };
}
