import { bundleWidth, TileFiles } from '../ledger/tiles.ts';
import { HASH_BYTES, TILE_WIDTH } from '../ledger/tree.ts';
import { Check } from './findings.ts';
import type { Manifest } from './format.ts';
import { type Joined, joinRanges, treeHolds } from './join-ranges.ts';
import type { PackageFiles, VerifyHost } from './package-files.ts';
import { planRanges, type RangePlan } from './range-plan.ts';
import { pathOf } from './tile-files.ts';
import { type ActivityChecks, ActivityVerifier, type AllLeaves } from './verify-activity.ts';
import { tileReader } from './verify-bytes.ts';
import { checkFiles } from './verify-files.ts';
import type { RangeResult } from './verify-range.ts';

/** Files of so many bytes are hashed while the ranges are verified. */
const LARGE = 1 << 20;

type RangesChecks = ActivityChecks & { readonly files: Check; readonly tree: Check };

interface Tree {
  readonly size: number;
  readonly root: Uint8Array;
}

/**
 * Verifies files, tree and leaves of a package of a whole log in ranges beside each other, where this place has threads for it.
 * It answers only where every range holds, and all hold together: then the checks are as they would be had all leaves been
 * read in their order. Null otherwise: then nothing was told to the checks, and reading them in order finds out what is wrong.
 */
export async function verifyInRanges(
  host: VerifyHost,
  manifest: Manifest,
  tree: Tree,
  checks: RangesChecks,
  onProgress: (more: number) => void,
): Promise<AllLeaves | null> {
  const { files, ranges: threads } = host;
  const { size } = tree;
  const count = threads === undefined || manifest.coverage !== 'log' ? 0 : threads.count(size);
  // What is allocated goes by the size that somebody signed: the files for it must be there.
  const there = manifest.files.length >= Math.ceil(size / TILE_WIDTH);
  const plan = count === 0 || !there ? null : planned(files, size, count);
  if (threads === undefined || plan === null) return null;
  const jobs = plan.ranges.map((range) => ({ manifest: { ...manifest, files: [] }, size, range }));
  const running = threads.verify(jobs, (leaves) => onProgress(2 * leaves));
  const filesCheck = new Check('files');
  filesCheck.begin();
  const [results] = await Promise.all([
    running,
    checkFiles(hashedIn(files, manifest, size, running), manifest, filesCheck, () => onProgress(1)),
  ]);
  const joined = results === null ? null : join(files, manifest, tree, plan, results);
  if (joined === null) return null;
  checks.files.takeOver(filesCheck.state());
  checks.tree.takeOver(passed(size, 'rebuilt from every entry'));
  for (const [name, looked] of Object.entries(joined.looked)) {
    checks[name as keyof Joined['looked']].takeOver(passed(looked, ''));
  }
  checks.populations.takeOver(joined.compared);
  new ActivityVerifier(host, manifest, checks).finish(joined.all);
  return joined.all;
}

function passed(count: number, detail: string): ReturnType<Check['state']> {
  return { findings: [], problems: 0, count, detail, begun: true };
}

function planned(files: PackageFiles, size: number, count: number): RangePlan | null {
  try {
    return planRanges(files, size, count);
  } catch {
    return null; // A file that cannot be read is told where it is read in order.
  }
}

function join(
  files: PackageFiles,
  manifest: Manifest,
  tree: Tree,
  plan: RangePlan,
  results: readonly RangeResult[],
): Joined | null {
  const store = new TileFiles(tileReader(files));
  try {
    return treeHolds(store, tree, results)
      ? joinRanges(files, store, manifest, tree.size, plan, results)
      : null;
  } catch {
    return null; // As for a range that cannot be read.
  }
}

/** The files with the hashes that the ranges find; other large ones are hashed meanwhile. */
function hashedIn(
  files: PackageFiles,
  manifest: Manifest,
  size: number,
  running: Promise<readonly RangeResult[] | null>,
): PackageFiles {
  const list = files.list();
  const present = new Set(list.files);
  const known = running.then((results) => (results === null ? null : sumsOf(results, size)));
  const meanwhile = new Map<string, Promise<string>>();
  let last: Promise<unknown> = Promise.resolve();
  for (const { path, bytes } of manifest.files) {
    if (bytes < LARGE || !present.has(path) || inRange(path)) continue;
    const sum = last.then(() => files.sha256(path));
    meanwhile.set(path, sum);
    last = sum;
  }
  // Who asks for a hash is told that it failed; who asks for none must not be.
  last.catch(() => undefined);
  known.catch(() => undefined);
  for (const sum of meanwhile.values()) sum.catch(() => undefined);
  return {
    list: () => list,
    size: (path) => files.size(path),
    read: (path) => files.read(path),
    open: (path, span) => files.open(path, span),
    sha256: async (path) => {
      if (!inRange(path)) return (await meanwhile.get(path)) ?? files.sha256(path);
      const sums = await known;
      // Where a range does not hold, all of it is checked again.
      return sums === null ? '' : (sums.get(path) ?? files.sha256(path));
    },
  };
}

function inRange(path: string): boolean {
  return path.startsWith('tlog/tile/entries/') || path.startsWith('tlog/tile/0/');
}

/** SHA-256 of the bundles and of the tiles of leaf hashes, by their paths. */
function sumsOf(results: readonly RangeResult[], size: number): ReadonlyMap<string, string> {
  const sums = new Map<string, string>();
  let n = 0;
  for (const { sums: bytes } of results) {
    const hex = Buffer.from(bytes.buffer).toString('hex');
    for (let at = 0; at < hex.length; at += 4 * HASH_BYTES, n++) {
      const width = bundleWidth(n, size);
      const half = at + 2 * HASH_BYTES;
      sums.set(`tlog/${pathOf({ level: -1, n, width })}`, hex.slice(at, half));
      sums.set(`tlog/${pathOf({ level: 0, n, width })}`, hex.slice(half, half + 2 * HASH_BYTES));
    }
  }
  return sums;
}
