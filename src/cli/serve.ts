import { type Command, InvalidArgumentError } from 'commander';
import { type ServeFlags, serveConfig } from './serve/config.ts';
import { startPostern } from './serve/postern.ts';

function port(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 65535)
    throw new InvalidArgumentError('A port is a number from 0 to 65535.');
  return value;
}

function count(text: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new InvalidArgumentError('It takes a number from 1.');
  return Number(text);
}

function hold(text: string): number {
  if (!/^\d{1,3}$/.test(text) || Number(text) > 900)
    throw new InvalidArgumentError('It takes a number of seconds from 0 to 900.');
  return Number(text);
}

export function register(program: Command): void {
  program
    .command('serve')
    .description('start Postern: the API and the gateway')
    .option('--config <file>', 'configuration file (JSON)')
    .option('--data <dir>', 'data directory, made with safe permissions (default ./postern-data)')
    .option('--api-host <host>', 'address the API listens on (default 127.0.0.1)')
    .option('--api-port <port>', 'port of the API (default 8443)', port)
    .option('--postgres-host <host>', 'address the PostgreSQL listener is bound to (default 127.0.0.1)')
    .option('--postgres-port <port>', 'port of the PostgreSQL listener (default 6432)', port)
    .option('--postgres-tls <mode>', 'require or allow (default require)')
    .option('--http-host <host>', 'address an HTTP listener is bound to (none without this or --http-port)')
    .option('--http-port <port>', 'port of the HTTP listener (6443)', port)
    .option('--workers <n>', 'gateway workers (default: one a core, one core left for the rest)', count)
    .option('--hold <seconds>', 'how long a client waits for those who have to agree (default 0)', hold)
    .option('--name <name...>', 'further names or addresses for the server certificate')
    .option('--set-up', 'print a one-time token although an administrator can sign in: the way back in')
    .addHelpText(
      'after',
      `
Examples:
  postern serve --data /var/lib/postern
  postern serve --postgres-host 0.0.0.0 --name gateway.bank.example

The first start prints a one-time token: "postern setup" makes you the first administrator with it.
SIGTERM or Ctrl-C stops listening, lets commands under way finish, then ends; a second one ends at once.`,
    )
    .action(serve);
}

const say = (message: string): void => {
  process.stderr.write(`${new Date().toISOString()} ${message}\n`);
};

async function serve(flags: ServeFlags): Promise<void> {
  const config = serveConfig(flags);
  const postern = await startPostern(config, say);
  const out = (line: string): void => {
    process.stdout.write(`${line}\n`);
  };
  out(`Postern is ready.`);
  out(`  API         https://${postern.api.host}:${postern.api.port}`);
  out(
    `  PostgreSQL  ${postern.postgres.host}:${postern.postgres.port}  (database: RESOURCE or RESOURCE/DATABASE)`,
  );
  if (postern.http !== null)
    out(
      `  HTTP        https://${postern.http.host}:${postern.http.port}/RESOURCE/  (or by a name of the service)`,
    );
  out(`  CA file     ${postern.caFile}`);
  if (postern.setupToken !== null) {
    out('');
    out('There is no administrator yet. This one-time token makes one:');
    out(`  ${postern.setupToken}`);
    out(`  postern setup --data ${config.data} --name "Your Name" --email you@example.com`);
  }

  await new Promise<void>((resolve) => {
    let stopping = false;
    const stop = (signal: string): void => {
      if (stopping) {
        say(`${signal} again: ending at once`);
        process.exit(1);
      }
      stopping = true;
      say(`${signal}: draining for up to ${config.graceSeconds} s`);
      postern.close().then(
        () => resolve(),
        (error: unknown) => {
          say(`the shutdown was not clean: ${String(error)}`);
          process.exitCode = 1;
          resolve();
        },
      );
    };
    process.on('SIGTERM', () => stop('SIGTERM'));
    process.on('SIGINT', () => stop('SIGINT'));
  });
  say('ended');
  process.exit();
}
