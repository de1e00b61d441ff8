import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import pc from 'picocolors';
import { startPostgres, type TestPostgres } from '../test/support/postgres.ts';
import { type Finished, Running, type StartOptions, start } from '../test/support/processes.ts';
import { createLedgerDatabase, type LedgerDatabase } from './database.ts';
import { removeEarlier } from './earlier.ts';
import { commandLine, expect, Output } from './stage.ts';

const POSTERN = fileURLToPath(new URL('../bin/postern', import.meta.url));

/** The demo's directory, as command lines name it. */
export const HERE = '.postern-demo';

interface CallOptions {
  readonly input?: string;
  /** The exit code that is right. Default 0. */
  readonly code?: number;
  readonly env?: NodeJS.ProcessEnv;
  /** Standard error into standard output, as on a terminal: their order matters to the reader. */
  readonly merged?: boolean;
  /** Shown in place of what it prints: for a password, or for what would be too long here. */
  readonly shown?: (output: string) => string;
  /** Show neither the command line nor what it prints. */
  readonly silent?: boolean;
}

/** Everything that the demo starts: a database server, a gateway, clients. All of it ends with `close`. */
export class World {
  /** Where `HERE` is. */
  readonly base: string;
  readonly directory: string;
  readonly #clients = new Set<Running>();
  #postgres: TestPostgres | null = null;
  #gateway: Running | null = null;
  #closed: Promise<void> | null = null;

  private constructor(base: string) {
    this.base = base;
    this.directory = join(base, HERE);
  }

  /** An empty world in `base`; what an earlier demo left there is gone. */
  static async create(base: string): Promise<World> {
    const world = new World(base);
    await removeEarlier(world.directory);
    mkdirSync(world.directory, { mode: 0o700 });
    return world;
  }

  async startDatabase(): Promise<{ postgres: TestPostgres; ledger: LedgerDatabase }> {
    const postgres = await startPostgres();
    this.#postgres = postgres;
    if (this.#closed !== null) await postgres.stop();
    return { postgres, ledger: await createLedgerDatabase(postgres) };
  }

  async startGateway(): Promise<Running> {
    expect(this.#closed === null, 'it was interrupted');
    const args = ['serve', '--data', join(this.directory, 'data'), '--api-port', '0', '--postgres-port', '0'];
    // In a process group of its own: Ctrl-C is for the demo, which then ends the gateway in its order.
    const child = spawn(process.execPath, [POSTERN, ...args], {
      cwd: this.base,
      env: this.environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    expect(child.pid !== undefined, 'the gateway cannot be started');
    const gateway = new Running(child, child.pid, undefined);
    this.#gateway = gateway;
    // Whatever ends the demo must not leave it behind.
    process.once('exit', () => gateway.child.kill('SIGKILL'));
    await gateway.waitFor(/--email/, 30_000);
    return gateway;
  }

  /** What a fresh shell would have: no settings of other installations, the pinned Node first, a profile of its own. */
  environment(): NodeJS.ProcessEnv {
    const clean = Object.entries(process.env).filter(
      ([name]) => !/^(PG|POSTERN_)|^(FORCE|NO)_COLOR$/.test(name),
    );
    return {
      ...Object.fromEntries(clean),
      PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ''}`,
      // What psql says is looked at.
      LC_ALL: 'C.UTF-8',
      XDG_CONFIG_HOME: join(this.directory, 'config'),
      [pc.isColorSupported ? 'FORCE_COLOR' : 'NO_COLOR']: '1',
    };
  }

  /** Folder of the command `postern`. */
  get binaries(): string {
    return dirname(POSTERN);
  }

  /** Resolves when the gateway has ended because `close` was called. @throws Unexpected when it ended otherwise */
  async untilGatewayEnds(): Promise<void> {
    await this.#gateway?.exited;
    expect(
      this.#closed !== null,
      'the gateway was ended by somebody else, perhaps by another demo in this folder',
    );
  }

  /** Types `postern ARGS`. @throws Unexpected when it ends with another exit code than it must */
  postern(args: readonly string[], options: CallOptions = {}): Promise<Finished> {
    return this.#type(['postern', ...args], process.execPath, [POSTERN, ...args], options);
  }

  /** Types `COMMAND ARGS`. @throws Unexpected as above */
  type(command: string, args: readonly string[], options: CallOptions = {}): Promise<Finished> {
    const words = [command, ...args];
    if (!options.merged) return this.#type(words, command, args, options);
    return this.#type(words, 'sh', ['-c', 'exec "$@" 2>&1', 'sh', ...words], options);
  }

  async #type(
    words: readonly string[],
    command: string,
    args: readonly string[],
    options: CallOptions,
  ): Promise<Finished> {
    const { silent, shown } = options;
    const live = new Output();
    if (!silent) commandLine(words);
    const running = await this.start(command, args, {
      env: options.env ?? this.environment(),
      ...(options.input !== undefined && { input: options.input }),
      ...(!silent && !shown && { onOutput: (text: string) => live.write(text) }),
    });
    const exit = await running.exited;
    if (!silent && shown) live.write(shown(running.stdout));
    live.end();
    // What is looked at has no colours, whatever the terminal can do.
    const stdout = stripVTControlCharacters(running.stdout);
    const stderr = stripVTControlCharacters(running.stderr);
    const code = options.code ?? 0;
    expect(
      exit.code === code,
      `${words.slice(0, 3).join(' ')} ended with ${exit.signal ?? exit.code}, not ${code}`,
      stderr,
    );
    return { ...exit, stdout, stderr };
  }

  /** Starts a client that ends with the demo. */
  async start(command: string, args: readonly string[], options: StartOptions): Promise<Running> {
    expect(this.#closed === null, 'it was interrupted');
    const running = await start(command, args, { cwd: this.base, ...options });
    this.#clients.add(running);
    void running.exited.then(() => this.#clients.delete(running));
    return running;
  }

  /** Ends everything that was started: clients, gateway, database. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#clients].map((client) => client.stop()));
    await this.#gateway?.stop('SIGTERM', 20_000);
    await this.#postgres?.stop();
  }
}
