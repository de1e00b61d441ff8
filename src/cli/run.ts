import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { loginOf } from './credential.ts';
import { runExchanged } from './exchange-run.ts';
import type { AccessRequest, Grant, IssuedCredential, Principal } from './support/api-types.ts';
import { describeEnd, type Ended, exitCode, SignalGuard } from './support/child.ts';
import { type ApiClient, path } from './support/client.ts';
import { pc } from './support/colors.ts';
import { type CommonOptions, connected, examples } from './support/command.ts';
import { type ConditionOptions, conditionOptions, conditionsOf } from './support/conditions.ts';
import type { Connection } from './support/connection.ts';
import { audienceOption, delegationOption, fromOption } from './support/exchange-options.ts';
import { CliError, usageError } from './support/failure.ts';
import { note } from './support/output.ts';
import { commandEnvironment, databaseName } from './support/postgres-env.ts';
import { safeJson, safeLine } from './support/text.ts';
import { formatTime, parseDuration } from './support/time.ts';

interface RunOptions extends CommonOptions, ConditionOptions {
  readonly tokenFrom?: string;
  readonly audience?: string;
  readonly delegation?: string;
  readonly resource?: string;
  readonly principal?: string;
  readonly scope?: string;
  readonly for?: number;
  readonly ticket?: string;
  readonly reason?: string;
  readonly grant?: string;
  readonly database?: string;
  readonly wait?: number;
  readonly quiet?: boolean;
}

const HOUR = 3600;
/** How long a request waits for those who have to agree, in seconds. */
const WAIT = 900;
const POLL_MS = 1000;
/** The longest life of a credential; one bound to a grant ends with it anyway. */
const DAY = 86_400;
/** Failures after which it is not known whether the API did what it was asked. */
const UNCERTAIN = new Set(['CLI_TIMEOUT', 'CLI_CONNECTION_LOST', 'CLI_BAD_ANSWER']);
const ENDING_TIMEOUT_MS = 10_000;
const ENDING_PAUSES_MS = [0, 250, 1000, 3000];

export function register(program: Command): void {
  const command = program
    .command('run')
    .description('run a command as a principal, under a grant that ends with it')
    .argument('<command...>', 'the command with its arguments, behind --')
    .option('--resource <resource>', 'where')
    .option('--principal <principal>', 'as whom (your principal, if you own just one)')
    .option('--scope <scope>', 'make a grant for this; without it, the active grant that is there is used')
    .option('--for <duration>', 'how long the grant made lasts at most (1h)', parseDuration)
    .option('--ticket <id>', 'ticket or change number that the grant made rests on')
    .option('--reason <text>', 'why it is needed')
    .option('--wait <duration>', 'how long to wait for those who have to agree (15m)', parseDuration)
    .addOption(
      new Option('--grant <id>', 'use this grant and leave it as it is').conflicts([
        'scope',
        'for',
        'ticket',
        'reason',
        'wait',
      ]),
    )
    .option('--database <name>', "database of the resource (the resource's own)")
    .option('--quiet', 'say nothing unless something goes wrong')
    .addOption(fromOption().conflicts(['principal', 'scope', 'ticket', 'reason']))
    .addOption(audienceOption())
    .addOption(delegationOption())
    .passThroughOptions();
  for (const option of conditionOptions()) command.addOption(option.conflicts('grant'));
  examples(
    command,
    'postern run --resource ledger-db --principal nightly-ledger-batch --scope "insert, select on ledger.*" \\\n' +
      '      --for 2h --ticket CHG-1042 -- ./nightly-batch.sh',
    'postern run --token-from github --resource ledger-db -- ./migrate.sh',
    'postern run --grant 0199aa11-... -- psql -c "select count(*) from ledger.entries"',
  );
  command.addHelpText('after', HELP);
  connected<RunOptions>(command, async ({ api, options, args }) => {
    const ended = await (options.tokenFrom === undefined
      ? new Run(api, options).run(args)
      : runFrom(api.connection, options, options.tokenFrom, args));
    if (ended.how === 'unstarted')
      note(`postern: ${safeLine(args[0] as string)}: ${safeLine(ended.message)}`);
    process.exitCode = exitCode(ended);
  });
}

/** As a machine: under the grant that is there, with what the platform says of the job. */
function runFrom(
  connection: Connection,
  options: RunOptions,
  tokenFrom: string,
  command: readonly string[],
): Promise<Ended> {
  const { resource, audience = 'postern', quiet, json, for: seconds, ...rest } = options;
  if (resource === undefined) throw usageError('the resource is missing', 'Give --resource.');
  const say = (event: string, text: string): void => {
    if (quiet && event !== 'warning') return;
    note(json ? safeJson({ event, text }) : pc.dim(`postern: ${safeLine(text)}`));
  };
  const asked = { ...rest, resource, tokenFrom, audience, ...(seconds !== undefined && { for: seconds }) };
  // No API token goes along: the proof is the platform's.
  return runExchanged({ ...connection, token: null }, asked, command, say);
}

const HELP = `
The command finds PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE and PGSSLROOTCERT in its environment, and
POSTERN_PRINCIPAL, POSTERN_RESOURCE and POSTERN_GRANT; not your API token. Signals are passed on to it. When it ends, the
grant made for it is ended, its credential too, and postern ends with its exit code (128 + n for a signal, 127
where it was not found, 126 where it cannot be run).

Where an access policy is in force it makes a request, says who has to agree, and waits for them; Ctrl-C takes the request back.

With --token-from it is for machines: the job proves itself by a token of its platform, makes no grant, and the command finds
PGPASSFILE instead of PGPASSWORD: a file with a credential of the exchange, made anew before it ends.`;

/** One run: a grant, a credential bound to it, the command; and the end of both, whatever happens in between. */
class Run {
  readonly #api: ApiClient;
  readonly #options: RunOptions;
  /** What is to be undone. The grant comes first: with it everything is over, whatever else fails. */
  readonly #undo: ((reason: string) => Promise<void>)[] = [];

  constructor(api: ApiClient, options: RunOptions) {
    this.#api = api;
    this.#options = options;
  }

  async run(command: readonly string[]): Promise<Ended> {
    // Before anything is made that a signal must not leave behind.
    const signals = new SignalGuard();
    let end = 'failed before the command was started';
    try {
      const grant = await this.#grant(signals);
      signals.check();
      const env = await this.#environment(grant);
      signals.check();
      this.#say({ event: 'granted', grant: grant.id, end: grant.end }, describe(grant));
      const ended = await signals.run(command[0] as string, command.slice(1), env);
      end = describeEnd(ended);
      return ended;
    } finally {
      if (signals.caught !== null && end.startsWith('failed')) end = `signal ${signals.caught}`;
      await this.#undoAll(`run ended: ${end}`);
      signals.release();
    }
  }

  async #undoAll(reason: string): Promise<void> {
    for (const undo of this.#undo) {
      try {
        await undo(reason);
      } catch (error) {
        this.#warn(`while ending: ${(error as Error).message}`);
      }
    }
  }

  async #grant(signals: SignalGuard): Promise<Grant> {
    const { grant: id, resource, scope } = this.#options;
    if (id !== undefined) {
      const grant = await this.#api.get<Grant>(path`/v1/grants/${id}`);
      this.#mustBe('principal', grant);
      this.#mustBe('resource', grant);
      return grant;
    }
    if (resource === undefined) throw usageError('the resource is missing', 'Give --resource, or --grant.');
    const principal = this.#options.principal ?? (await this.#onlyPrincipal());
    if (scope === undefined) return this.#existing(principal, resource);
    return this.#make(signals, principal, resource, scope);
  }

  /** A grant named by its id decides for whom and where; what is said beside it must agree. */
  #mustBe(what: 'principal' | 'resource', grant: Grant): void {
    const said = this.#options[what];
    if (said !== undefined && said !== grant[what].name && said !== grant[what].id) {
      throw usageError(`the grant ${grant.id} is for the ${what} ${grant[what].name}, not ${said}`);
    }
  }

  async #onlyPrincipal(): Promise<string> {
    const { person } = await this.#api.get<{ person: { id: string } }>('/v1/whoami');
    const own = await this.#api.all<Principal>('/v1/principals', { owner: person.id, status: 'active' });
    if (own.length === 1) return (own[0] as Principal).name;
    throw usageError(
      own.length === 0 ? 'you own no active principal' : `you own ${own.length} active principals`,
      own.length === 0
        ? 'Give --principal.'
        : `Give --principal: ${own
            .slice(0, 8)
            .map((one) => one.name)
            .join(', ')}.`,
    );
  }

  async #existing(principal: string, resource: string): Promise<Grant> {
    const { for: seconds, ticket, reason } = this.#options;
    if ((seconds ?? ticket ?? reason) !== undefined || 'conditions' in conditionsOf(this.#options)) {
      throw usageError(
        '--for, --ticket, --reason and conditions are about a grant to be made, and --scope is missing',
      );
    }
    const found = await this.#api.all<Grant>('/v1/grants', { principal, resource, status: 'active' });
    const now = Date.now();
    const usable = found.filter((grant) => Date.parse(grant.start) <= now);
    if (usable.length === 1) return usable[0] as Grant;
    if (usable.length === 0) {
      throw new CliError(
        'POSTERN_GRANT_MISSING',
        `${principal} has no active grant on ${resource}`,
        'Make one for this run with --scope, e.g. --scope "select on ledger.*", or ask an approver for one.',
      );
    }
    throw usageError(
      `${principal} has ${usable.length} active grants on ${resource}`,
      `Give --grant: ${usable.map((grant) => `${grant.id} (${grant.scope})`).join(', ')}.`,
    );
  }

  async #make(signals: SignalGuard, principal: string, resource: string, scope: string): Promise<Grant> {
    const { ticket, reason } = this.#options;
    const asked = this.#api.post<Grant>('/v1/grants', {
      principal,
      resource,
      scope,
      ...conditionsOf(this.#options),
      ttlSeconds: this.#options.for ?? HOUR,
      ...(ticket !== undefined && { ticket }),
      ...(reason !== undefined && { justification: reason }),
    });
    const grant = await asked.catch((error: unknown) => {
      if (error instanceof CliError && error.code === 'POSTERN_FORBIDDEN') return error;
      if (error instanceof CliError && UNCERTAIN.has(error.code)) {
        this.#warn(
          'The grant may have been made all the same. Look with:',
          `postern grant list --principal ${principal}`,
        );
      }
      throw error;
    });
    if (grant instanceof CliError) return this.#request(grant, signals, principal, resource, scope);
    this.#undo.push((why) => this.#endGrant('revoke', grant, why));
    return grant;
  }

  async #endGrant(verb: 'revoke' | 'release', { id, end }: Grant, why: string): Promise<void> {
    if (await this.#end(`${path`/v1/grants/${id}`}/${verb}`, why)) {
      this.#say({ event: 'ended', grant: id, reason: why }, `grant ${id} ended (${why})`);
    } else {
      this.#warn(
        `THE GRANT ${id} COULD NOT BE ${verb === 'revoke' ? 'REVOKED' : 'RELEASED'}. It ends by itself ${formatTime(end)}. End it now with:`,
        `postern grant ${verb} ${id} --reason "${why}"`,
      );
    }
  }

  /** Where an access policy is in force grants come from requests. @param refused why no grant could be made */
  async #request(
    refused: CliError,
    signals: SignalGuard,
    principal: string,
    resource: string,
    scope: string,
  ): Promise<Grant> {
    const { items } = await this.#api.get<{ items: object[] }>('/v1/policies?status=active');
    if (items.length === 0) throw refused;
    const { ticket, reason } = this.#options;
    const asked = await this.#api.post<AccessRequest & { readonly joined: boolean }>('/v1/requests', {
      ...{ principal, resource, scope, ...conditionsOf(this.#options) },
      ttlSeconds: this.#options.for ?? HOUR,
      ...(ticket !== undefined && { ticket }),
      ...(reason !== undefined && { justification: reason }),
    });
    // What somebody else asked for before is theirs to take back.
    if (!asked.joined) this.#undo.push((why) => this.#takeBack(asked.id, why));
    const request = await this.#decided(asked, signals);
    if (request.status !== 'granted' || request.grant === null) {
      const why = request.statusReason ?? 'nobody decided in time';
      throw new CliError('CLI_REQUEST_REFUSED', `the request ${request.id} is ${request.status}: ${why}`);
    }
    if (asked.joined)
      this.#warn(`${asked.requester.name} asked for the same before: the grant is left as it is at the end`);
    return this.#api.get<Grant>(path`/v1/grants/${request.grant}`);
  }

  /** The request when it waits no more, or the time to wait is over. */
  async #decided(asked: AccessRequest, signals: SignalGuard): Promise<AccessRequest> {
    let request = asked;
    const end = Date.now() + (this.#options.wait ?? WAIT) * 1000;
    if (request.status === 'pending') {
      const { id, needs } = request;
      const text = `request ${id} waits for ${needs.join('; ')}, at most until ${formatTime(new Date(end).toISOString())}`;
      // Said also where all else is quiet: nothing goes on without them.
      note(
        this.#options.json
          ? safeJson({ event: 'requested', request: id, needs })
          : `postern: ${safeLine(text)}`,
      );
    }
    while (request.status === 'pending' && Date.now() < end) {
      await sleep(Math.min(POLL_MS, Math.max(0, end - Date.now())));
      signals.check();
      request = await this.#api.get<AccessRequest>(path`/v1/requests/${request.id}`);
    }
    return request;
  }

  /** Withdraws the request, or gives back what came of it: it may have been granted a moment ago. */
  async #takeBack(id: string, why: string): Promise<void> {
    const request = await this.#api.get<AccessRequest>(path`/v1/requests/${id}`);
    if (request.status === 'pending' && (await this.#end(path`/v1/requests/${id}/withdraw`, why))) {
      const now = await this.#api.get<AccessRequest>(path`/v1/requests/${id}`);
      if (now.grant === null) {
        this.#say({ event: 'withdrawn', request: id, reason: why }, `request ${id} withdrawn (${why})`);
        return;
      }
    }
    const { grant } = await this.#api.get<AccessRequest>(path`/v1/requests/${id}`);
    if (grant === null) return;
    await this.#endGrant('release', await this.#api.get<Grant>(path`/v1/grants/${grant}`), why);
  }

  async #environment(grant: Grant): Promise<Record<string, string | undefined>> {
    const issued = await this.#api.post<IssuedCredential>('/v1/credentials', {
      principal: grant.principal.id,
      grant: grant.id,
      ttlSeconds: DAY,
    });
    const id = issued.credential.id;
    this.#undo.push(async (why) => {
      if (await this.#end(path`/v1/credentials/${id}/revoke`, why)) return;
      this.#warn(
        `The credential ${id} could not be revoked. It ends by itself ${formatTime(issued.credential.expiresAt)}. End it now with:`,
        `postern credential revoke ${id} --reason "${why}"`,
      );
    });
    const directory = mkdtempSync(join(tmpdir(), 'postern-run-'));
    this.#undo.push(async () => rmSync(directory, { recursive: true, force: true }));
    const caFile = join(directory, 'ca.crt');
    writeFileSync(caFile, issued.connection.ca, { mode: 0o600 });
    const database = databaseName(grant.resource.name, this.#options.database);
    return commandEnvironment(process.env, loginOf(this.#api, issued, database, caFile), {
      POSTERN_PRINCIPAL: grant.principal.name,
      POSTERN_RESOURCE: grant.resource.name,
      POSTERN_GRANT: grant.id,
    });
  }

  /** Revokes something, trying again where Postern does not answer. What has ended already is as good. */
  async #end(target: string, reason: string): Promise<boolean> {
    for (const pause of ENDING_PAUSES_MS) {
      await sleep(pause);
      try {
        await this.#api.post(target, { reason }, ENDING_TIMEOUT_MS);
        return true;
      } catch (error) {
        if (!(error instanceof CliError)) throw error;
        if (error.code === 'POSTERN_CONFLICT') return true;
        const passing = error.code.startsWith('CLI_') || error.code === 'POSTERN_AUDIT_UNAVAILABLE';
        if (passing && pause !== ENDING_PAUSES_MS.at(-1)) continue;
        this.#warn(`${error.message} (${error.code})`);
        return false;
      }
    }
    return false;
  }

  /** Status goes to standard error: standard output is the command's. */
  #say(event: object, text: string): void {
    if (this.#options.quiet) return;
    note(this.#options.json ? safeJson(event) : pc.dim(`postern: ${safeLine(text)}`));
  }

  #warn(text: string, command?: string): void {
    if (this.#options.json) note(safeJson({ event: 'warning', text, ...(command && { command }) }));
    else
      note(
        pc.red(`postern: ${safeLine(text)}`) + (command === undefined ? '' : `\n    ${safeLine(command)}`),
      );
  }
}

function describe(grant: Grant): string {
  return `${grant.principal.name} on ${grant.resource.name}: ${grant.scope}; until ${formatTime(grant.end)}; grant ${grant.id}`;
}
