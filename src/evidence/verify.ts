import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PosternError } from '../core/errors.ts';
import { type NoteVerifier, parseVerifierKey } from '../ledger/note.ts';
import { TileStore } from '../ledger/tiles.ts';
import { Check, type Report } from './findings.ts';
import { FILES, type Manifest, RENDERER } from './format.ts';
import { renderReport } from './report.ts';
import { ActivityVerifier } from './verify-activity.ts';
import { checkFiles, checkSignature, readManifest, readText } from './verify-files.ts';
import { checkCheckpoint, checkConsistency, checkProofs, checkTree } from './verify-log.ts';
import { unzipInto } from './zip.ts';

export type { CheckResult, Finding, Report } from './findings.ts';
export { formatReport } from './format-report.ts';

export interface VerifyOptions {
  /** Verifier key of the log as the caller holds it. Without it the key inside the package is used, and the report says so. */
  readonly vkey?: string | undefined;
  /** An earlier checkpoint that the caller holds: the log must continue it. */
  readonly checkpoint?: string | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Verifies an evidence package, a folder or a zip, from nothing but itself (and what the caller holds). What does not
 * hold is a finding in the report, not an error.
 *
 * @throws PosternError POSTERN_NOT_FOUND where there is nothing at the path; POSTERN_INVALID where it is no package or
 * zip at all, or the given key is none
 */
export async function verifyPackage(path: string, options: VerifyOptions = {}): Promise<Report> {
  if (!existsSync(path)) {
    throw new PosternError('POSTERN_NOT_FOUND', 'There is no evidence package of that name.');
  }
  if (statSync(path).isDirectory()) return verifyFolder(path, options);
  const dir = mkdtempSync(join(tmpdir(), 'postern-verify-'));
  try {
    await unzipInto(path, dir);
    return await verifyFolder(dir, options);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function verifyFolder(dir: string, options: VerifyOptions): Promise<Report> {
  const checks = {
    manifest: new Check('manifest and its signature'),
    files: new Check('files as the manifest names them'),
    checkpoint: new Check('signed checkpoint'),
    tree: new Check('Merkle tree'),
    leaves: new Check('entries are in the log'),
    complete: new Check('completeness'),
    activity: new Check('activity agrees with the log'),
    texts: new Check('statements and parameters fit their commitments'),
    authority: new Check('every command had its authority'),
    populations: new Check('populations'),
    proofs: new Check('proof files'),
    consistency: new Check('earlier checkpoints'),
    report: new Check('report'),
  };
  checks.manifest.begin();
  const pinned = options.vkey !== undefined;
  const verifier = keyOf(dir, options.vkey, checks.manifest);
  const manifest = verifier === null ? null : readManifest(dir, checks.manifest);
  if (verifier !== null && manifest !== null) {
    await verifyAll(dir, manifest, verifier, checks, options);
  }
  const all = Object.values(checks);
  const ok = manifest !== null && all.every((check) => check.ok);
  return {
    ok,
    key:
      verifier === null
        ? null
        : { vkey: options.vkey?.trim() ?? readText(dir, FILES.vkey, 4096)?.trim() ?? '', pinned },
    log: manifest?.log ?? null,
    parameters: manifest?.parameters ?? null,
    coverage: manifest?.coverage ?? null,
    checks: all.map((check) => check.result()),
    findings: all.flatMap((check) => check.findings()),
  };
}

type Checks = Readonly<
  Record<
    | 'manifest'
    | 'files'
    | 'checkpoint'
    | 'tree'
    | 'leaves'
    | 'complete'
    | 'activity'
    | 'texts'
    | 'authority'
    | 'populations'
    | 'proofs'
    | 'consistency'
    | 'report',
    Check
  >
>;

async function verifyAll(
  dir: string,
  manifest: Manifest,
  verifier: NoteVerifier,
  checks: Checks,
  options: VerifyOptions,
): Promise<void> {
  const total = manifest.files.length + 2 * manifest.log.size;
  let done = 0;
  const progress = (more: number): void => {
    done = Math.min(total, done + more);
    options.onProgress?.(done, total);
  };
  checkSignature(dir, verifier, checks.manifest);
  if (manifest.log.vkey !== readText(dir, FILES.vkey, 4096)?.trim()) {
    checks.manifest.problem(FILES.vkey, 'The key in the package is not the one that the manifest states.');
  }
  checks.files.begin();
  await checkFiles(dir, manifest, checks.files, () => progress(1));
  checks.checkpoint.begin();
  const checkpoint = checkCheckpoint(dir, manifest, verifier, checks.checkpoint);
  if (checkpoint === null) return;
  for (const check of Object.values(checks)) check.begin();
  const store = new TileStore(join(dir, 'tlog'));
  const whole = manifest.coverage === 'log';
  await checkTree(store, checkpoint, whole, checks.tree, progress);
  checkProofs(dir, store, checkpoint, checks.proofs);
  checkConsistency(dir, store, checkpoint, verifier, options.checkpoint, checks.consistency);
  const activity = new ActivityVerifier(dir, manifest, checks);
  await activity.run(store, checkpoint.size, progress);
  checkReport(dir, manifest, activity, checks.report);
  progress(total);
}

function keyOf(dir: string, pinned: string | undefined, check: Check): NoteVerifier | null {
  if (pinned !== undefined) return parseVerifierKey(pinned);
  try {
    return parseVerifierKey(readText(dir, FILES.vkey, 4096) ?? '');
  } catch (error) {
    check.problem(FILES.vkey, (error as Error).message);
    return null;
  }
}

/** Renders the report again from what was verified, and compares. */
function checkReport(dir: string, manifest: Manifest, activity: ActivityVerifier, check: Check): void {
  check.looked();
  if (manifest.renderer !== RENDERER) {
    check.says('written by another version of Postern: only its hash was checked');
    return;
  }
  check.says('rendered again, the same');
  const { populations, tally } = activity;
  if (readText(dir, FILES.report) !== renderReport({ manifest, populations, tally })) {
    check.problem(FILES.report, 'The report is not what follows from the log.');
  }
}
