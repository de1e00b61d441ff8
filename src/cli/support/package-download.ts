import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EvidenceJob } from '../../evidence/jobs/job.ts';
import { type ApiClient, path } from './client.ts';
import { CliError } from './failure.ts';
import type { Progress } from './progress.ts';

/** Tries in a row in which nothing came, after which it is given up. */
const TRIES = 6;
const PAUSE_MS = 500;

/**
 * Fetches the package of a job to a path where it appears only when it is whole, readable by its owner alone. A transfer that breaks
 * off goes on where it was.
 *
 * @param out a new file.zip, or a new folder
 * @throws CliError where it cannot be fetched, or is not what the server says that it is
 */
export async function fetchPackage(
  api: ApiClient,
  { id, bytes, sha256 }: EvidenceJob,
  out: string,
  progress: Progress,
): Promise<void> {
  const partial = `${out}.${process.pid}.partial`;
  try {
    let tries = 0;
    for (let have = 0; have < (bytes ?? 0); ) {
      try {
        await append(api, id, sha256, have, partial, (more) => {
          progress.show(`received ${megabytes(have + more)} of ${megabytes(bytes ?? 0)}`);
        });
      } catch (error) {
        if (!isPassing(error)) throw error;
        tries = sizeOf(partial) > have ? 0 : tries + 1;
        if (tries >= TRIES) throw error;
        await sleep(PAUSE_MS * 2 ** tries);
      }
      have = sizeOf(partial);
    }
    if ((await digestOf(partial)) !== sha256)
      throw new CliError('CLI_BAD_ANSWER', 'the package came otherwise than the server has it');
    if (out.endsWith('.zip')) renameSync(partial, out);
    else await unpack(partial, out, progress);
  } finally {
    progress.clear();
    rmSync(partial, { force: true });
  }
}

async function append(
  api: ApiClient,
  id: string,
  sha256: string | null,
  have: number,
  partial: string,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const headers = have === 0 ? {} : { range: `bytes=${have}-`, 'if-range': `"${sha256}"` };
  const answer = await api.fetch(path`/v1/evidence/jobs/${id}/package`, headers);
  if (have > 0 && answer.statusCode !== 206) {
    answer.destroy();
    throw new CliError('CLI_BAD_ANSWER', 'the server does not send the rest of the package');
  }
  let bytes = 0;
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      onBytes(bytes);
      done(null, chunk);
    },
  });
  const file = createWriteStream(partial, { mode: 0o600, flags: have === 0 ? 'w' : 'a' });
  await pipeline(answer, counter, file).catch((error: Error) => {
    throw new CliError('CLI_CONNECTION_LOST', `the package broke off: ${error.message}`);
  });
}

/** Whether a failure may pass by itself. */
export function isPassing(error: unknown): boolean {
  const passing = ['CLI_CONNECTION_LOST', 'CLI_CANNOT_CONNECT', 'CLI_TIMEOUT', 'POSTERN_SHUTTING_DOWN'];
  return error instanceof CliError && passing.includes(error.code);
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

async function unpack(zip: string, out: string, progress: Progress): Promise<void> {
  progress.show('unpacking');
  const { unzipInto } = await import('../../evidence/zip.ts');
  const folder = `${out}.${process.pid}.unpacking`;
  try {
    mkdirSync(folder, { mode: 0o700 });
    await unzipInto(zip, folder);
    renameSync(folder, out);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function megabytes(bytes: number): string {
  return bytes < 1_000_000 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
