/** `run --token-from`: a command under a credential of the exchange, which is made anew before it ends. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeEnd, type Ended, SignalGuard } from './support/child.ts';
import type { Connection } from './support/connection.ts';
import { type ExchangeAnswer, gatewayHost } from './support/exchange-client.ts';
import { type ExchangeOptions, exchangeFor } from './support/exchange-options.ts';
import { commandEnvironment, databaseName, formatPgpass } from './support/postgres-env.ts';
import { writePrivateFile } from './support/secret-file.ts';
import { formatTime } from './support/time.ts';

/** Of the life of a credential, after which it is made anew. */
const RENEW_AFTER = 2 / 3;
/** After a failure it tries again so long after, or sooner where a credential lives for less than some minutes. */
const AGAIN_MS = 15_000;
const AGAIN_SHARE = 1 / 12;

export interface ExchangedRun extends ExchangeOptions {
  readonly resource: string;
  readonly database?: string;
}

/**
 * Runs a command with a password file that holds a valid credential for as long as it runs: libpq reads it at each connection.
 * The variables are the command's alone, and the file is gone when it ends.
 *
 * @param say told of what happens, a line each
 */
export async function runExchanged(
  connection: Connection,
  options: ExchangedRun,
  command: readonly string[],
  say: (event: string, text: string) => void,
): Promise<Ended> {
  // Before anything is made that a signal must not leave behind.
  const signals = new SignalGuard();
  const directory = mkdtempSync(join(tmpdir(), 'postern-run-'));
  const passFile = join(directory, 'pgpass');
  const caFile = join(directory, 'ca.crt');
  let timer: NodeJS.Timeout | undefined;
  try {
    const database = databaseName(options.resource, options.database);
    const loginOf = (answer: ExchangeAnswer) => ({
      host: gatewayHost(connection, answer),
      port: answer.connection.port,
      user: answer.username,
      database,
      caFile,
      password: answer.access_token,
    });
    const renew = async (): Promise<ExchangeAnswer> => {
      const answer = await exchangeFor(connection, 'password', options);
      writePrivateFile(passFile, formatPgpass(loginOf(answer)));
      return answer;
    };
    let pause = AGAIN_MS;
    let failed: string | null = null;
    const later = (answer: ExchangeAnswer): void => {
      const life = answer.expires_in * 1000;
      pause = Math.min(AGAIN_MS, Math.max(life * AGAIN_SHARE, 1000));
      failed = null;
      timer = setTimeout(again, life * RENEW_AFTER).unref();
    };
    const again = (): void => {
      renew().then(
        (answer) => {
          say('renewed', `a new credential, until ${formatTime(answer.expires_at)}`);
          later(answer);
        },
        (error: Error) => {
          // Once for one reason: a platform that is away for an hour does not fill the job's output.
          if (failed !== error.message) say('warning', `no new credential: ${error.message}; trying again`);
          failed = error.message;
          timer = setTimeout(again, pause).unref();
        },
      );
    };
    const first = await renew();
    writePrivateFile(caFile, first.connection.ca);
    later(first);
    signals.check();
    say(
      'exchanged',
      `${first.username} on ${options.resource}; until ${formatTime(first.expires_at)}, and then anew`,
    );
    const { password: _, ...login } = loginOf(first);
    const env = commandEnvironment(
      process.env,
      { ...login, passFile },
      {
        POSTERN_PRINCIPAL: first.username,
        POSTERN_RESOURCE: options.resource,
      },
    );
    const ended = await signals.run(command[0] as string, command.slice(1), env);
    say('ended', `the command ended: ${describeEnd(ended)}`);
    return ended;
  } finally {
    clearTimeout(timer);
    rmSync(directory, { recursive: true, force: true });
    signals.release();
  }
}
