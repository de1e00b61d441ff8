/** The real command line against a real Postern in front of a real PostgreSQL, for tests. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createLedgerDatabase, type LedgerDatabase } from '../../demo/database.ts';
import { startPostern, type TestPostern } from './postern.ts';
import { startPostgres, type TestPostgres } from './postgres.ts';
import { type Finished, type Running, run, start } from './processes.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/postern', import.meta.url));

export interface CliOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
  readonly cwd?: string;
}

/** A person at a shell: a home of their own, and a profile in it once they have set up. */
export class CommandLine {
  readonly server: TestPostgres;
  readonly ledger: LedgerDatabase;
  readonly postern: TestPostern;
  /** The one-time token that `serve` printed. */
  readonly setupToken: string;
  /** A folder for what a test writes; `XDG_CONFIG_HOME` is `config` in it. */
  readonly home: string;

  private constructor(
    server: TestPostgres,
    ledger: LedgerDatabase,
    postern: TestPostern,
    setupToken: string,
    home: string,
  ) {
    this.server = server;
    this.ledger = ledger;
    this.postern = postern;
    this.setupToken = setupToken;
    this.home = home;
  }

  /** Starts everything; nobody is an administrator yet. */
  static async start(): Promise<CommandLine> {
    const server = await startPostgres();
    try {
      const ledger = await createLedgerDatabase(server);
      const postern = await startPostern({ token: '', args: ['--workers', '1'] });
      const [, setupToken] = await postern.running.waitFor(/makes one:\n\s+(\S+)\n/);
      return new CommandLine(
        server,
        ledger,
        postern,
        setupToken as string,
        mkdtempSync(join(tmpdir(), 'postern-home-')),
      );
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.postern.stop();
    await this.server.stop();
    rmSync(this.home, { recursive: true, force: true });
  }

  /** Writes a file into the home and gives its path. */
  file(name: string, content: string): string {
    const path = join(this.home, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  }

  read(name: string): string {
    return readFileSync(join(this.home, name), 'utf8');
  }

  /** Calls `postern` and waits for its end. */
  call(args: readonly string[], options: CliOptions = {}): Promise<Finished> {
    return run(process.execPath, [LAUNCHER, ...args], this.#options(options));
  }

  /** Calls `postern`, which must succeed, and gives what it printed on standard output. */
  async ok(args: readonly string[], options: CliOptions = {}): Promise<string> {
    const done = await this.call(args, options);
    assert.equal(done.code, 0, `postern ${args.join(' ')}\n${done.stderr}`);
    return done.stdout;
  }

  /** Calls `postern ... --json`, which must succeed, and gives what it answered. */
  async json<T>(args: readonly string[], options: CliOptions = {}): Promise<T> {
    return JSON.parse(await this.ok([...args, '--json'], options)) as T;
  }

  /** Calls `postern`, which must fail, and gives all that it printed. */
  async fails(args: readonly string[], options: CliOptions = {}): Promise<string> {
    const done = await this.call(args, options);
    assert.notEqual(done.code, 0, `postern ${args.join(' ')}\n${done.stdout}`);
    return `${done.stdout}${done.stderr}`;
  }

  /** Starts `postern` and does not wait for its end. */
  begin(args: readonly string[], options: CliOptions = {}): Promise<Running> {
    return start(process.execPath, [LAUNCHER, ...args], this.#options(options));
  }

  /** Starts `postern` on a terminal; what is written to its standard input is typed there. */
  beginOnTerminal(args: readonly string[], options: CliOptions = {}): Promise<Running> {
    const line = [process.execPath, LAUNCHER, ...args]
      .map((word) => `'${word.replaceAll("'", "'\\''")}'`)
      .join(' ');
    return start('script', ['-qefc', `exec ${line}`, '/dev/null'], {
      ...this.#options(options),
      keepStdin: true,
    });
  }

  /** An administrator with the principal `batch` and the resource `ledger-db`. */
  async prepare(): Promise<void> {
    await this.ok(
      ['setup', '--data', this.postern.dataDir, '--name', 'Ada Boone', '--email', 'ada@bank.example'],
      {
        env: { POSTERN_SETUP_TOKEN: this.setupToken },
      },
    );
    await this.ok(['person', 'add', 'Bea Ruiz', '--email', 'bea@bank.example', '--role', 'owner']);
    await this.ok([
      ...['principal', 'add', 'batch', '--kind', 'service_account', '--owner', 'ada@bank.example'],
      ...['--backup-owner', 'bea@bank.example'],
      ...['--purpose', 'Posts the entries of the day', '--environment', 'test'],
    ]);
    await this.addResource('ledger-db');
  }

  addResource(name: string, password: string = this.ledger.password): Promise<string> {
    const { host, port, caPem } = this.server;
    const { user, database } = this.ledger;
    return this.ok([
      ...[
        'resource',
        'add',
        name,
        '--url',
        `postgres://${user}@${host}:${port}/${database}?sslmode=verify-full`,
      ],
      ...['--ca-file', this.file('db-ca.crt', caPem), '--password-file', this.file('pw', `${password}\n`)],
      ...['--environment', 'test', '--classification', 'restricted', '--json'],
    ]);
  }

  #options({ env, input, cwd }: CliOptions) {
    const base = { PATH: process.env.PATH, XDG_CONFIG_HOME: join(this.home, 'config'), NO_COLOR: '1' };
    return { env: { ...base, ...env }, cwd: cwd ?? this.home, ...(input !== undefined && { input }) };
  }
}
