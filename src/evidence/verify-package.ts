import type { Checkpoint } from '../ledger/checkpoint.ts';
import { type NoteVerifier, parseVerifierKeys } from '../ledger/note.ts';
import { TileFiles } from '../ledger/tiles.ts';
import type { Assessment, Framework } from './assess/types.ts';
import { Check, type Report } from './findings.ts';
import { FILES, type Manifest, RENDERER } from './format.ts';
import { lastTime } from './last-time.ts';
import { type PackageFiles, readText, type VerifyHost } from './package-files.ts';
import { type ReportFacts, renderReport } from './report.ts';
import { short } from './row-matcher.ts';
import { ActivityVerifier, type AllLeaves } from './verify-activity.ts';
import { tileReader } from './verify-bytes.ts';
import { checkDerived } from './verify-derived.ts';
import { checkSignature, readManifest } from './verify-files.ts';
import { checkCheckpoint, checkConsistency, checkProofs } from './verify-log.ts';
import { checkParts } from './verify-parts.ts';
import { verifyInRanges } from './verify-ranges.ts';
import { checkWitnesses, type WitnessReport } from './verify-witnesses.ts';

export interface VerifyOptions {
  /** Verifier key of the log as the caller holds it, or several, one a line. Without it the key inside the package is used, and the report says so. */
  readonly vkey?: string | undefined;
  /** An earlier checkpoint that the caller holds: the log must continue it. */
  readonly checkpoint?: string | undefined;
  /** A witness policy as the caller holds it: the checkpoint must meet it. Without it that of the package is reported on. */
  readonly policy?: string | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Verifies a package wherever it is. What does not hold is a finding in the report, not an error.
 *
 * @throws PosternError POSTERN_INVALID where the given key is none
 */
export async function verifyOn(host: VerifyHost, options: VerifyOptions): Promise<Report> {
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
    witnesses: new Check('cosignatures of witnesses'),
    assertions: new Check('assertions, and what is made of them'),
    report: new Check('report'),
    parts: new Check('activity in other forms'),
  };
  checks.manifest.begin();
  const { files } = host;
  const pinned = options.vkey !== undefined;
  const keys = keysOf(files, options.vkey, checks.manifest);
  const manifest = keys === null ? null : readManifest(files, checks.manifest);
  const verified =
    keys === null || manifest === null ? null : await verifyAll(host, manifest, keys, checks, options);
  const all = Object.values(checks);
  const ok = manifest !== null && all.every((check) => check.ok);
  return {
    ok,
    key:
      keys === null
        ? null
        : { vkey: options.vkey?.trim() ?? readText(files, FILES.vkey, 4096)?.trim() ?? '', pinned },
    made: manifest === null ? null : { at: manifest.generatedAt, by: manifest.generatedBy },
    log: manifest?.log ?? null,
    parameters: manifest?.parameters ?? null,
    coverage: manifest?.coverage ?? null,
    witnesses: verified?.witnesses ?? null,
    texts: verified?.activity.texts ?? null,
    erasures: verified?.activity.populations.erasures ?? [],
    losses: verified?.activity.populations.losses ?? [],
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
    | 'witnesses'
    | 'assertions'
    | 'report'
    | 'parts',
    Check
  >
>;

interface Verified {
  readonly witnesses: WitnessReport | null;
  readonly activity: AllLeaves;
}

async function verifyAll(
  host: VerifyHost,
  manifest: Manifest,
  keys: readonly NoteVerifier[],
  checks: Checks,
  options: VerifyOptions,
): Promise<Verified | null> {
  const { files } = host;
  const total = manifest.files.length + 2 * manifest.log.size;
  let done = 0;
  const progress = (more: number): void => {
    done = Math.min(total, done + more);
    options.onProgress?.(done, total);
  };
  await checkSignature(host, keys, checks.manifest);
  if (manifest.log.vkey !== readText(files, FILES.vkey, 4096)?.trim()) {
    checks.manifest.problem(FILES.vkey, 'The key in the package is not the one that the manifest states.');
  }
  checks.checkpoint.begin();
  const checkpoint = await checkCheckpoint(host, manifest, keys, checks.checkpoint);
  if (checkpoint === null) {
    const bytes = await host.bytes({ manifest, tree: null }, progress);
    checks.files.takeOver(bytes.files);
    checks.tree.takeOver(bytes.tree);
    return null;
  }
  const witnesses = await verifySigned(host, checkpoint, keys, checks, options);
  const { leaves, complete, activity, texts, authority, populations, assertions, report } = checks;
  for (const check of [leaves, complete, activity, texts, authority, populations, assertions, report])
    check.begin();
  let all = await verifyInRanges(host, manifest, checkpoint, checks, progress);
  if (all === null) {
    done = 0;
    all = await verifyInOrder(host, manifest, checkpoint, checks, progress);
  }
  progress(total);
  checkLastTime(files, manifest, complete);
  await checkDerived(host, manifest, all, assertions);
  checkReport(files, manifest, all, report);
  checks.parts.begin();
  await checkParts(host, manifest, checks.parts);
  return { witnesses, activity: all };
}

/** Reads everything from its beginning to its end, and the bytes beside it. */
async function verifyInOrder(
  host: VerifyHost,
  manifest: Manifest,
  { size, root }: Checkpoint,
  checks: Checks,
  progress: (more: number) => void,
): Promise<AllLeaves> {
  const store = new TileFiles(tileReader(host.files));
  const [bytes, all] = await Promise.all([
    host.bytes({ manifest, tree: { size, root } }, progress),
    new ActivityVerifier(host, manifest, checks).run(store, size, progress),
  ]);
  checks.files.takeOver(bytes.files);
  checks.tree.takeOver(bytes.tree);
  return all;
}

/** What is signed, and proved from it. */
async function verifySigned(
  host: VerifyHost,
  checkpoint: Checkpoint,
  keys: readonly NoteVerifier[],
  checks: Checks,
  options: VerifyOptions,
): Promise<WitnessReport | null> {
  const { files } = host;
  for (const check of [checks.proofs, checks.consistency, checks.witnesses]) check.begin();
  const store = new TileFiles(tileReader(files));
  checkProofs(files, store, checkpoint, checks.proofs);
  await checkConsistency(host, store, checkpoint, keys, options.checkpoint, checks.consistency);
  return checkWitnesses(host, checkpoint, options.policy, checks.witnesses);
}

function keysOf(
  files: PackageFiles,
  pinned: string | undefined,
  check: Check,
): readonly NoteVerifier[] | null {
  if (pinned !== undefined) return parseVerifierKeys(pinned);
  try {
    return parseVerifierKeys(readText(files, FILES.vkey, 4096) ?? '');
  } catch (error) {
    check.problem(FILES.vkey, (error as Error).message);
    return null;
  }
}

/** What is derived is as of the last record: its time is not for the operator to choose. */
function checkLastTime(files: PackageFiles, manifest: Manifest, check: Check): void {
  if (manifest.renderer !== RENDERER) return;
  const time = lastTime(files, new TileFiles(tileReader(files)), manifest);
  if (manifest.log.time !== time) {
    check.problem(
      FILES.manifest,
      `The manifest states ${short(String(manifest.log.time))} as the time of the last record; it is of ${time}.`,
    );
  }
}

/** Renders the report again from what was verified, and compares. */
function checkReport(files: PackageFiles, manifest: Manifest, activity: AllLeaves, check: Check): void {
  check.looked();
  if (manifest.renderer !== RENDERER) {
    check.says('written by another version of Postern: only its hash was checked');
    return;
  }
  check.says('rendered again, the same');
  const { populations, tally, summary } = activity;
  try {
    const report = renderReport({
      manifest,
      populations,
      tally,
      summary,
      assessed: assessedIn(files, manifest),
    });
    if (readText(files, FILES.report) !== report)
      check.problem(FILES.report, 'The report is not what follows from the log.');
  } catch (error) {
    const why = short((error as Error).message);
    check.problem(FILES.report, `The report cannot be made again from ${FILES.assertions}: ${why}`);
  }
}

/** The assessment as the package has it: whether that is what it must be, another check says. */
function assessedIn(
  files: PackageFiles,
  { parameters }: Manifest,
): NonNullable<ReportFacts['assessed']> | null {
  if (parameters.framework === undefined) return null;
  const framework = JSON.parse(readText(files, FILES.framework) ?? 'null') as Framework;
  const assessment = JSON.parse(readText(files, FILES.assertions) ?? 'null') as Assessment;
  return { framework, assessment };
}
