import type { LeafRecord } from '../ledger/leaf.ts';
import { RecordIds } from '../ledger/record-ids.ts';
import { bundleWidth, type TileFiles } from '../ledger/tiles.ts';
import { HASH_BYTES, TILE_WIDTH, Tree } from '../ledger/tree.ts';
import { CommandSummary } from './assess/command-summary.ts';
import { RecordsIn } from './assess/records-in.ts';
import { Check, type CheckState } from './findings.ts';
import type { Manifest } from './format.ts';
import type { PackageFiles } from './package-files.ts';
import { Populations } from './populations.ts';
import type { RangePlan } from './range-plan.ts';
import { ReportTally } from './report-tally.ts';
import { tilesOf } from './tile-files.ts';
import type { AllLeaves } from './verify-activity.ts';
import { type LastUse, type LeavesChecks, LeavesVerifier, type Sequence } from './verify-leaves.ts';
import { holds, leavesChecks, type OpenIntent, type RangeResult } from './verify-range.ts';

/** What ranges that follow each other came to, all together. */
export interface Joined {
  readonly all: AllLeaves;
  readonly looked: Readonly<Record<keyof LeavesChecks, number>>;
  /** Of what was compared of the populations. */
  readonly compared: CheckState;
}

/** Joins the ranges of a log. Null where one does not fit those before it, or a row is left that none of them accounts for. */
export function joinRanges(
  files: PackageFiles,
  store: TileFiles,
  manifest: Manifest,
  size: number,
  plan: RangePlan,
  results: readonly RangeResult[],
): Joined | null {
  const sequences = joinSequences(results);
  const open = joinIntents(results);
  const changes = joinChanges(results);
  if (sequences === null || open === null || changes === null || shareIds(results)) return null;
  const populations = new Populations();
  const record = recordsOf(store, size);
  const compared = new Check('populations');
  compared.begin();
  const recordsIn = new RecordsIn(files, manifest, compared);
  for (const leaf of changes) {
    const read = record(leaf);
    populations.take(leaf, read);
    recordsIn.take(leaf, read);
  }
  recordsIn.end();
  const checks = leavesChecks();
  const rest = new LeavesVerifier(files, manifest, populations, checks, {
    leaves: 0,
    ...plan.unanswered,
    earlier: () => undefined,
    onRecord: () => undefined,
  });
  for (const { leaf, owner } of open) {
    rest.unanswered({ record: record(leaf), shared: null, leaf, owner, outcome: null });
  }
  rest.endPart();
  if (!holds(checks) || !compared.ok) return null;
  const tally = new ReportTally();
  const summary = new CommandSummary();
  const lastUse = new Map<string, LastUse>();
  const texts = { full: 0, masked: 0, withheld: 0, erased: 0, missing: 0 };
  const looked = { leaves: 0, complete: 0, activity: 0, texts: 0, authority: 0 };
  const counted = Object.fromEntries(
    Object.entries(checks).map(([name, check]) => [name, check.state().count]),
  ) as typeof looked;
  const end = {
    tally: rest.tally.state(),
    summary: rest.summary.state(),
    lastUse: rest.lastUse,
    texts: rest.texts,
    looked: counted,
  };
  for (const part of [...results, end]) {
    // A part with more kinds of statements than it keeps cannot be joined.
    if (part.tally.moreStatements > 0) return null;
    tally.join(part.tally);
    // Nor one in which commands were lumped together.
    if (!summary.join(part.summary)) return null;
    for (const [grant, use] of part.lastUse) {
      const known = lastUse.get(grant);
      if (known === undefined || use.at > known.at) lastUse.set(grant, use);
    }
    add(texts, { ...part.texts });
    add(looked, part.looked);
  }
  const leaves = results.reduce((sum, part) => sum + part.leaves, 0);
  const all = { populations, tally, summary, texts, leaves, sequences, lastUse };
  return { all, looked, compared: compared.state() };
}

/** Whether the tiles above the leaf hashes, and the root, are those of the ranges. */
export function treeHolds(
  store: TileFiles,
  { size, root }: { readonly size: number; readonly root: Uint8Array },
  results: readonly RangeResult[],
): boolean {
  let same = true;
  const tree = new Tree((level, n, hashes) => {
    same &&= store.readTile(level, n, TILE_WIDTH).equals(hashes);
  });
  const binary = (bytes: Uint8Array, at: number): string =>
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1', at, at + HASH_BYTES);
  for (const { roots, rest } of results) {
    for (let at = 0; at < roots.length; at += HASH_BYTES) tree.appendTile(binary(roots, at));
    for (let at = 0; at < rest.length; at += HASH_BYTES) tree.append(binary(rest, at));
  }
  for (const { level, n, width } of tilesOf(size)) {
    // Those of level 0 were compared leaf by leaf.
    if (width < TILE_WIDTH && level > 0) same &&= store.readTile(level, n, width).equals(tree.partial(level));
  }
  return same && tree.size === size && tree.root.equals(root);
}

function joinSequences(results: readonly RangeResult[]): Map<string, Sequence> | null {
  const all = new Map<string, Sequence>();
  for (const { sequences } of results) {
    for (const [id, { name, first, next }] of sequences) {
      const before = all.get(id) ?? { first: 1, next: 1 };
      if (first !== before.next) return null;
      all.set(id, { name, first: before.first, next });
    }
  }
  return all;
}

/** The intents that nothing answers, in the order of the log. */
function joinIntents(results: readonly RangeResult[]): readonly OpenIntent[] | null {
  const open = new Map<string, OpenIntent>();
  for (const part of results) {
    for (const [id, leaf] of part.answered) {
      if (open.get(id)?.leaf !== leaf) return null;
      open.delete(id);
    }
    for (const intent of part.open) open.set(intent.id, intent);
  }
  return [...open.values()];
}

/** The leaves that change populations; null where a range took others to stand before it. */
function joinChanges(results: readonly RangeResult[]): readonly number[] | null {
  const all: number[] = [];
  for (const { before, own } of results) {
    if (before.length !== all.length || before.some((leaf, i) => leaf !== all[i])) return null;
    for (const leaf of own) all.push(leaf);
  }
  return all;
}

/** Whether two ranges have a record of the same id. */
function shareIds(results: readonly RangeResult[]): boolean {
  const all: RecordIds[] = [];
  for (const { ids } of results) {
    const own = new RecordIds(ids);
    if (all.some((before) => before.shares(own))) return true;
    all.push(own);
  }
  return false;
}

/** Reads records; best in their order. */
function recordsOf(store: TileFiles, size: number): (leaf: number) => LeafRecord {
  let [held, entries]: [number, readonly Buffer[]] = [-1, []];
  return (leaf) => {
    const n = Math.floor(leaf / TILE_WIDTH);
    if (n !== held) [held, entries] = [n, store.readEntries(n, bundleWidth(n, size))];
    return JSON.parse((entries[leaf % TILE_WIDTH] as Buffer).toString('utf8')) as LeafRecord;
  };
}

function add(sums: Record<string, number>, more: Readonly<Record<string, number>>): void {
  for (const name of Object.keys(sums)) sums[name] = (sums[name] ?? 0) + (more[name] ?? 0);
}
