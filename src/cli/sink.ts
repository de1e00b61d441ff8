import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import type { Sink } from './support/api-types.ts';
import { path } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { EXIT, usageError } from './support/failure.ts';
import { print, printJson, printList } from './support/output.ts';
import { readSecret } from './support/secret-file.ts';
import { formatFields } from './support/table.ts';
import { formatTime } from './support/time.ts';

interface TargetOptions {
  readonly file?: boolean;
  readonly https?: string;
  readonly otlp?: string;
  readonly syslog?: string;
  readonly kafka?: string;
  readonly topic?: string;
  readonly tls: boolean;
  readonly user?: string;
  readonly mechanism?: string;
  readonly maxMb?: string;
  readonly keep?: string;
  readonly header?: string;
  readonly caFile?: string;
  readonly certificate?: string;
  readonly facility?: string;
  readonly secretFile?: string;
  readonly keyFile?: string;
}

const MEBIBYTE = 1 << 20;
const number = (value: number): string => value.toLocaleString('en');

export function register(program: Command): void {
  const sink = program.command('sink').description('where the events of the log go continuously');
  add(sink);
  list(sink);
  show(sink);
  test(sink);
  update(sink);
  for (const [act, what] of [
    ['pause', 'deliver nothing until it is resumed; then everything comes'],
    ['resume', 'deliver again, from where it stopped'],
    ['retire', 'deliver nothing any more, and destroy its secret'],
  ] as const) {
    end(sink, act, what);
  }
}

function targetOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--file', 'to files below the data directory, sinks/NAME').conflicts([
        'https',
        'otlp',
        'syslog',
        'kafka',
      ]),
    )
    .addOption(
      new Option('--https <url>', 'to this address, as newline-delimited JSON').conflicts([
        'otlp',
        'syslog',
        'kafka',
      ]),
    )
    .addOption(
      new Option('--otlp <url>', 'to OpenTelemetry: OTLP logs over HTTP, .../v1/logs').conflicts([
        'syslog',
        'kafka',
      ]),
    )
    .addOption(
      new Option(
        '--syslog <host:port>',
        'to syslog over TLS (RFC 5424, 5425); port 6514 unless said',
      ).conflicts(['kafka']),
    )
    .option('--kafka <host:port,...>', 'to a topic of Kafka, by these brokers')
    .option('--topic <name>', 'of Kafka')
    .option('--user <name>', 'of Kafka: who writes; the password is the secret')
    .addOption(
      new Option('--mechanism <name>', 'of Kafka: how the user is shown (scram-sha-512)').choices([
        'plain',
        'scram-sha-256',
        'scram-sha-512',
      ]),
    )
    .option('--no-tls', 'of Kafka: where all brokers are on the machine of Postern')
    .option('--max-mb <n>', 'of a file: begin a new one at so many MiB (64)')
    .option('--keep <n>', 'of a file: how many of before are kept (10)')
    .option('--header <name>', 'that carries the secret (authorization)')
    .option(
      '--secret-file <file>',
      'value of that header, or password, "-" for standard input (else POSTERN_SINK_SECRET)',
    )
    .option('--ca-file <file>', 'trust this authority instead of those of the system')
    .option('--certificate <file>', 'of syslog: show this certificate, PEM')
    .option('--key-file <file>', 'private key of the certificate, PEM')
    .option('--facility <n>', 'of syslog (13, log audit)');
}

function targetOf(options: TargetOptions): object | undefined {
  const ca = options.caFile === undefined ? {} : { ca: pemOf(options.caFile) };
  const url = options.https ?? options.otlp;
  if (options.file) {
    return {
      kind: 'file',
      ...(options.maxMb !== undefined && { maxBytes: count(options.maxMb, '--max-mb') * MEBIBYTE }),
      ...(options.keep !== undefined && { keep: count(options.keep, '--keep') }),
    };
  }
  if (url !== undefined) {
    const kind = options.https === undefined ? 'otlp' : 'https';
    return { kind, url, ...(options.header !== undefined && { header: options.header }), ...ca };
  }
  if (options.kafka !== undefined) return kafkaOf(options, options.kafka);
  if (options.syslog === undefined) return undefined;
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(options.syslog) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined) throw usageError('--syslog takes HOST or HOST:PORT, an IPv6 address in brackets');
  return {
    kind: 'syslog',
    host,
    ...(port !== undefined && { port: Number(port) }),
    ...(options.facility !== undefined && { facility: count(options.facility, '--facility') }),
    ...(options.certificate !== undefined && { certificate: pemOf(options.certificate) }),
    ...ca,
  };
}

function kafkaOf({ topic, tls, user, mechanism, caFile }: TargetOptions, brokers: string): object {
  if (topic === undefined) throw usageError('--kafka takes --topic');
  if (user === undefined && mechanism !== undefined) throw usageError('--mechanism takes --user');
  return {
    kind: 'kafka',
    brokers: brokers.split(','),
    topic,
    tls,
    ...(user !== undefined && { sasl: { user, mechanism: mechanism ?? 'scram-sha-512' } }),
    ...(caFile !== undefined && { ca: pemOf(caFile) }),
  };
}

function secretOf({ secretFile, keyFile }: TargetOptions): { readonly secret?: string } {
  if (keyFile !== undefined) return { secret: pemOf(keyFile) };
  const secret =
    secretFile === undefined ? process.env.POSTERN_SINK_SECRET : readSecret(secretFile, 'the secret');
  return secret === undefined || secret === '' ? {} : { secret };
}

function add(parent: Command): void {
  const command = parent
    .command('add <name>')
    .description('deliver the events of the log to a file, https, OpenTelemetry, syslog or Kafka');
  targetOptions(command).option('--from-beginning', 'from the first record on, not only what comes');
  examples(
    command,
    'postern sink add archive --file --from-beginning',
    'postern sink add siem --https https://siem.bank.example/ingest --secret-file token',
    'postern sink add soc --syslog soc.bank.example:6514 --ca-file soc-ca.crt',
    'postern sink add stream --kafka k1.bank.example:9093,k2.bank.example:9093 --topic postern --user postern --secret-file password',
  );
  connected<TargetOptions & { fromBeginning?: boolean }>(command, async ({ api, options, args }) => {
    const target = targetOf(options);
    if (target === undefined) throw usageError('say where to: --file, --https, --otlp, --syslog or --kafka');
    const fromBeginning = options.fromBeginning ?? false;
    const made = await api.post<Sink>('/v1/sinks', {
      name: args[0],
      target,
      ...secretOf(options),
      fromBeginning,
    });
    await (options.json ? printJson(made) : print(describe(made)));
  });
}

function list(parent: Command): void {
  connected(
    parent.command('list').description('list sinks, and how far each has come'),
    async ({ api, options }) => {
      const { items } = await api.get<{ items: readonly Sink[] }>('/v1/sinks');
      await printList(
        items,
        [
          { title: 'name', value: (row) => row.name },
          { title: 'to', value: whereTo, shrinkTo: 20 },
          { title: 'status', value: (row) => (row.delivery?.fault == null ? row.status : 'failing') },
          { title: 'behind', value: (row) => (row.delivery === null ? '-' : number(row.delivery.behind)) },
          {
            title: 'last taken',
            value: (row) => (row.delivery?.at == null ? 'never' : formatTime(row.delivery.at)),
          },
          { title: 'fault', value: (row) => row.delivery?.fault ?? '-', shrinkTo: 12 },
        ],
        { json: options.json, empty: 'There is none: postern sink add NAME --https URL' },
      );
    },
  );
}

function show(parent: Command): void {
  connected(parent.command('show <name>').description('show a sink'), async ({ api, options, args }) => {
    const sink = await api.get<Sink>(path`/v1/sinks/${args[0] as string}`);
    await (options.json ? printJson(sink) : print(describe(sink)));
  });
}

function test(parent: Command): void {
  const command = parent.command('test <name>').description('send an event that says it is a test');
  connected(command, async ({ api, options, args }) => {
    const answer = await api.post<{ ok: boolean; fault: string | null }>(
      path`/v1/sinks/${args[0] as string}/test`,
      {},
    );
    if (!answer.ok) process.exitCode = EXIT.failed;
    if (options.json) return printJson(answer);
    await print(formatFields([['arrives', answer.ok ? 'yes' : `no: ${answer.fault}`]]));
  });
}

function update(parent: Command): void {
  const command = parent
    .command('update <name>')
    .description('change the address, the trust or the secret of a sink; its kind stays')
    .option('--public', 'without a secret from now on')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  targetOptions(command);
  connected<TargetOptions & { public?: boolean; reason: string }>(command, async ({ api, options, args }) => {
    const target = targetOf(options);
    const secret = options.public ? { secret: null } : secretOf(options);
    const body = { ...(target && { target }), ...secret, reason: options.reason };
    const done = await api.post<Sink>(path`/v1/sinks/${args[0] as string}/update`, body);
    await (options.json ? printJson(done) : print(describe(done)));
  });
}

function end(parent: Command, act: 'pause' | 'resume' | 'retire', what: string): void {
  const command = parent
    .command(`${act} <name>`)
    .description(what)
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  connected<{ reason: string }>(command, async ({ api, options, args }) => {
    const done = await api.post<Sink>(path`/v1/sinks/${args[0] as string}/${act}`, {
      reason: options.reason,
    });
    await (options.json ? printJson(done) : print(describe(done)));
  });
}

function whereTo({ name, target }: Sink): string {
  if (target.kind === 'file') return `DATA/sinks/${name}`;
  if (target.kind === 'kafka') return `kafka ${target.topic} at ${target.brokers.join(', ')}`;
  return target.kind === 'syslog' ? `syslog ${target.host}:${target.port}` : `${target.kind} ${target.url}`;
}

function describe(sink: Sink): string {
  const { delivery } = sink;
  return formatFields([
    ['sink', sink.name],
    ['to', whereTo(sink)],
    ['secret', sink.secret ? 'sealed' : 'none'],
    ['status', sink.statusReason === null ? sink.status : `${sink.status}: ${sink.statusReason}`],
    ['from', `leaf ${sink.from}`],
    [
      'delivered',
      delivery === null
        ? 'nothing since the start'
        : `every leaf before ${delivery.next}, ${number(delivery.behind)} behind`,
    ],
    ['last taken', delivery?.at ?? 'never'],
    ...(delivery !== null && delivery.rejected > 0
      ? [['not wanted', `${number(delivery.rejected)} events`] as [string, string]]
      : []),
    ['fault', delivery?.fault == null ? 'none' : `${delivery.fault}, since ${delivery.failingSince}`],
  ]);
}

function pemOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw usageError(`cannot read ${file}: ${(error as Error).message}`);
  }
}

function count(text: string, option: string): number {
  if (!/^\d{1,9}$/.test(text)) throw usageError(`${option} takes a number`);
  return Number(text);
}
