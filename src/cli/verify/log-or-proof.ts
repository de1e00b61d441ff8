import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { usageError } from '../support/failure.ts';
import { readSecret } from '../support/secret-file.ts';
import { pronounce } from './findings.ts';
import { folderKind, verifyDataDirectory, verifyFolder } from './log.ts';
import { PROOF_MARK, verifyProofFile } from './proof.ts';
import { withServedLog } from './served.ts';

export interface LogOrProofOptions {
  /** Verifier keys, one a line. */
  readonly vkeys: string | undefined;
  readonly entry: string | undefined;
  readonly ca: string | undefined;
  readonly tokenFile: string | undefined;
  readonly json: boolean;
}

/** Verifies what is no evidence package: a served log, a proof file, a data directory or a log's folder; else says false. */
export async function verifyLogOrProof(what: string, options: LogOrProofOptions): Promise<boolean> {
  const { vkeys, json } = options;
  if (/^[a-z]+:\/\//i.test(what)) {
    const served = {
      url: what,
      vkeys: needed(vkeys),
      ca: options.ca ?? process.env.POSTERN_CA,
      token: tokenOf(options.tokenFile),
    };
    const verdict = await withServedLog(served, (dir) =>
      verifyFolder(dir, served.vkeys, served.token === undefined),
    );
    await pronounce(verdict, json);
    return true;
  }
  const kind = existsSync(what) && statSync(what).isDirectory() ? folderKind(what) : null;
  if (kind === 'data') await pronounce(await verifyDataDirectory(what, vkeys), json);
  else if (kind === 'log') await pronounce(verifyFolder(what, vkeys), json);
  else if (beginsAsProof(what)) await pronounce(verifyProofFile(what, needed(vkeys), options.entry), json);
  else return false;
  return true;
}

function needed(vkeys: string | undefined): string {
  if (vkeys !== undefined) return vkeys;
  throw usageError(
    'name the verifier key of the log with --key',
    'Take it from where the operator of the log cannot change it: an earlier package, or your own notes.',
  );
}

function tokenOf(file: string | undefined): string | undefined {
  return file === undefined
    ? process.env.POSTERN_TOKEN?.trim() || undefined
    : readSecret(file, 'an API token');
}

function beginsAsProof(file: string): boolean {
  if (!existsSync(file) || !statSync(file).isFile()) return false;
  const fd = openSync(file, 'r');
  try {
    const head = Buffer.alloc(PROOF_MARK.length);
    return readSync(fd, head) === head.length && head.toString('latin1') === PROOF_MARK;
  } finally {
    closeSync(fd);
  }
}
