import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGunzip } from 'node:zlib';
import { openCheckpoint } from '../../ledger/checkpoint.ts';
import { MAX_NOTE_BYTES, parseVerifierKeys } from '../../ledger/note.ts';
import { bundleWidth, entriesPath, MAX_BUNDLE_BYTES, tilePath } from '../../ledger/tiles.ts';
import { HASH_BYTES, TILE_WIDTH } from '../../ledger/tree.ts';
import { CliError, usageError } from '../support/failure.ts';
import { Progress } from '../support/progress.ts';

const TIMEOUT_MS = 60_000;
const PARALLEL = 8;
const MAX_WAITS = 10;

export interface ServedLog {
  /** Prefix of the log, `https://...`. */
  readonly url: string;
  readonly vkeys: string;
  readonly ca: string | undefined;
  /** Without it only the hashes are fetched. */
  readonly token: string | undefined;
}

/**
 * Fetches a served log as of its checkpoint into a temporary folder and gives it to `use`.
 *
 * @throws CliError where the log does not answer; PosternError where its checkpoint is not of the key
 * @see https://c2sp.org/tlog-tiles
 */
export async function withServedLog<T>(served: ServedLog, use: (dir: string) => T): Promise<T> {
  const prefix = prefixOf(served.url);
  const agent = new Agent({
    keepAlive: true,
    maxSockets: PARALLEL,
    ...(served.ca !== undefined && { ca: readFileSync(served.ca) }),
  });
  const dir = mkdtempSync(join(tmpdir(), 'postern-served-'));
  const progress = new Progress();
  try {
    const fetch = (path: string, most: number): Promise<Buffer | null> =>
      fetchFile(
        new URL(path, prefix),
        agent,
        path.startsWith('tile/entries/') ? served.token : undefined,
        most,
      );
    const keep = (path: string, data: Buffer): void => {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      writeFileSync(join(dir, path), data);
    };
    const note = await fetch('checkpoint', MAX_NOTE_BYTES);
    if (note === null) throw new CliError('CLI_BAD_ANSWER', `there is no log at ${prefix.href}`);
    const { size } = openCheckpoint(note, parseVerifierKeys(served.vkeys));
    keep('checkpoint', note);
    let done = 0;
    const files = filesOf(size, served.token !== undefined);
    const work = async (): Promise<void> => {
      for (const { path, full, most } of files) {
        const exact = await fetch(path, most);
        // A partial file may be gone when the full one has come; whoever reads takes the first part of that.
        const data = exact ?? (full === path ? null : await fetch(full, MAX_BUNDLE_BYTES));
        if (data === null) throw new CliError('CLI_BAD_ANSWER', `${prefix.href}${path} is not there`);
        keep(exact === null ? full : path, data);
        done += 1;
        progress.show(`fetching the log, ${done} files`);
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, work));
    progress.clear();
    return use(dir);
  } finally {
    progress.clear();
    agent.destroy();
    rmSync(dir, { recursive: true });
  }
}

function prefixOf(url: string): URL {
  const prefix = URL.canParse(url) ? new URL(url) : null;
  if (prefix?.protocol !== 'https:' || prefix.username !== '' || prefix.search !== '') {
    throw usageError(
      `"${url}" is not the address of a log`,
      'It looks like https://postern.example:8443/log',
    );
  }
  if (!prefix.pathname.endsWith('/')) prefix.pathname += '/';
  return prefix;
}

interface Wanted {
  readonly path: string;
  /** Where it is once it is full. */
  readonly full: string;
  /** Length of the largest it can be. */
  readonly most: number;
}

/** The files of a tree: one list that several take from. */
function* filesOf(size: number, withEntries: boolean): Generator<Wanted, void> {
  for (let level = 0, count = size; count > 0; level++, count = Math.floor(count / TILE_WIDTH)) {
    for (let n = 0; n * TILE_WIDTH < count; n++) {
      const width = bundleWidth(n, count);
      yield { path: tilePath(level, n, width), full: tilePath(level, n), most: width * HASH_BYTES };
      if (level > 0 || !withEntries) continue;
      yield { path: entriesPath(n, width), full: entriesPath(n), most: MAX_BUNDLE_BYTES };
    }
  }
}

/** One file, null where there is none; asked for again where the server says that it was asked too often. */
async function fetchFile(
  url: URL,
  agent: Agent,
  token: string | undefined,
  most: number,
): Promise<Buffer | null> {
  for (let waits = 0; ; waits++) {
    const { status, retryAfter, body } = await get(url, agent, token, most);
    if (status === 200) return body;
    if (status === 404) return null;
    if (status !== 429 || waits === MAX_WAITS) {
      const hint =
        status === 401 || status === 403 ? 'The entries take a token that may read everything.' : undefined;
      throw new CliError('CLI_BAD_ANSWER', `${url.href} answered with HTTP status ${status}`, hint);
    }
    await sleep(Math.min(Math.max(retryAfter, 1), 60) * 1000);
  }
}

interface Got {
  readonly status: number;
  readonly retryAfter: number;
  readonly body: Buffer;
}

function get(url: URL, agent: Agent, token: string | undefined, most: number): Promise<Got> {
  return new Promise((resolve, reject) => {
    const headers = {
      'accept-encoding': 'gzip, identity',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    };
    const failed = (error: Error): void => {
      sent.destroy();
      reject(
        error instanceof CliError
          ? error
          : new CliError('CLI_CANNOT_CONNECT', `cannot fetch ${url.href}: ${error.message}`),
      );
    };
    const sent = request(url, { agent, headers, timeout: TIMEOUT_MS });
    sent.on('timeout', () => failed(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
    sent.on('error', failed);
    sent.on('response', (answer) => {
      const packed = answer.headers['content-encoding'] === 'gzip';
      const body = packed ? answer.pipe(createGunzip()) : answer;
      const chunks: Buffer[] = [];
      let length = 0;
      answer.on('error', failed);
      body.on('error', failed);
      body.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (answer.statusCode === 200 && length > most) {
          failed(new CliError('CLI_BAD_ANSWER', `${url.href} is larger than any file of its kind`));
        } else if (length <= most) chunks.push(chunk);
      });
      body.on('end', () => {
        const { statusCode: status = 0 } = answer;
        resolve({
          status,
          retryAfter: Number(answer.headers['retry-after'] ?? 1),
          body: Buffer.concat(chunks),
        });
      });
    });
    sent.end();
  });
}
