import { createWriteStream, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Command, Option } from 'commander';
import { PARTS, TEXT_MODES } from '../evidence/format.ts';
import { registerAssess, registerFrameworks } from './evidence-assess.ts';
import { registerParameters } from './evidence-parameters.ts';
import type { ApiClient } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { CliError, usageError } from './support/failure.ts';
import { addFrameworkOptions, type FrameworkOptions, frameworkBody } from './support/framework-options.ts';
import { note, printJson } from './support/output.ts';
import { shellQuote } from './support/postgres-env.ts';
import { Progress } from './support/progress.ts';
import { safeLine } from './support/text.ts';
import { parseMoment } from './support/time.ts';

interface ExportOptions extends FrameworkOptions {
  readonly out: string;
  readonly principal?: string;
  readonly resource?: string;
  readonly since?: string;
  readonly until?: string;
  readonly statements?: string;
  readonly with?: readonly string[];
}

export function register(program: Command): void {
  const evidence = program
    .command('evidence')
    .description('evidence packages: the record, to be verified by anyone');
  const command = evidence
    .command('export')
    .description('write an evidence package: who could do what, what was done, and the proof that it is all')
    .requiredOption('--out <path>', 'where to: a new file.zip, or a new folder')
    .option('--principal <principal>', 'of this principal alone; nothing of others is shown')
    .option('--resource <resource>', 'on this resource alone')
    .option('--since <time>', 'from a day, a time, or a duration ago', (text) => parseMoment(text, -1))
    .option('--until <time>', 'until then, exclusive', (text) => parseMoment(text, -1))
    .addOption(
      new Option(
        '--statements <how>',
        'statement texts in full, with literals masked, or as commitments alone; bind values only with full',
      )
        .choices(TEXT_MODES)
        .default('full'),
    )
    .option('--with <parts>', `the activity in other forms besides, by commas: ${PARTS.join(', ')}`, partsOf);
  addFrameworkOptions(command);
  registerAssess(evidence);
  registerFrameworks(evidence);
  registerParameters(evidence);
  examples(
    command,
    'postern evidence export --out 2026-Q3.zip --framework nist-800-53 --period 2026-Q3',
    'postern evidence export --out 2026-Q4.zip --since 2026-10-01 --until 2027-01-01',
    'postern evidence export --out quarter.zip --since 2026-10-01 --with ocsf,parquet',
    'postern evidence export --out batch.zip --principal nightly-ledger-batch --statements masked',
  );
  connected<ExportOptions>(command, async ({ api, options }) => {
    const { out, principal, resource, since, until, statements } = options;
    const parts = options.with;
    if (existsSync(out))
      throw usageError(`${out} exists already`, 'Evidence is never written over: name another path.');
    // Before anything is made: an export is recorded.
    const folder = dirname(resolve(out));
    if (!existsSync(folder)) throw usageError(`there is no folder ${folder}`);
    const body = {
      ...(principal !== undefined && { principal }),
      ...(resource !== undefined && { resource }),
      ...(since !== undefined && { since }),
      ...(until !== undefined && { until }),
      ...(statements !== undefined && { statements }),
      ...(parts !== undefined && { parts }),
      ...frameworkBody(options),
    };
    const made = await download(api, body, out);
    if (options.json) return printJson({ file: out, ...made });
    note(`${safeLine(out)}: ${megabytes(made.bytes)}, record ${safeLine(made.record ?? 'unknown')}`);
    note(`Verify it with: postern verify ${safeLine(shellQuote(out))}`);
  });
}

function partsOf(text: string): readonly string[] {
  const parts = [...new Set(text.split(',').map((part) => part.trim()))];
  const unknown = parts.find((part) => !(PARTS as readonly string[]).includes(part));
  if (unknown !== undefined) {
    throw usageError(`${JSON.stringify(unknown)} is no part of a package`, `There are: ${PARTS.join(', ')}.`);
  }
  return parts;
}

/** Fetches a package to a path where it appears only when it is whole, readable by its owner alone. */
async function download(
  api: ApiClient,
  body: object,
  out: string,
): Promise<{ readonly bytes: number; readonly record: string | null }> {
  const progress = new Progress();
  const partial = `${out}.${process.pid}.partial`;
  try {
    progress.show('Postern is making the package');
    const answer = await api.download('/v1/evidence', body);
    let bytes = 0;
    const counter = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        bytes += chunk.length;
        progress.show(`received ${megabytes(bytes)}`);
        done(null, chunk);
      },
    });
    await pipeline(answer, counter, createWriteStream(partial, { mode: 0o600, flags: 'wx' })).catch(
      (error: Error) => {
        throw new CliError(
          'CLI_CONNECTION_LOST',
          `the package broke off after ${megabytes(bytes)}: ${error.message}`,
        );
      },
    );
    if (out.endsWith('.zip')) renameSync(partial, out);
    else await unpack(partial, out, progress);
    const record = answer.headers['x-postern-record'];
    return { bytes, record: typeof record === 'string' ? record : null };
  } finally {
    progress.clear();
    rmSync(partial, { force: true });
  }
}

async function unpack(zip: string, out: string, progress: Progress): Promise<void> {
  progress.show('unpacking');
  const { unzipInto } = await import('../evidence/zip.ts');
  const folder = `${out}.${process.pid}.unpacking`;
  try {
    mkdirSync(folder, { mode: 0o700 });
    await unzipInto(zip, folder);
    renameSync(folder, out);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function megabytes(bytes: number): string {
  return bytes < 1_000_000 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
