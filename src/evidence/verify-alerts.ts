/** Whether alerts rest on the records that they name. */
import type { AlertRuleName } from '../core/alert-rules.ts';
import type { LeafRecord } from '../ledger/leaf.ts';
import { bundleWidth, type TileFiles } from '../ledger/tiles.ts';
import { TILE_WIDTH } from '../ledger/tree.ts';
import type { Check } from './findings.ts';
import { FILES, type Manifest } from './format.ts';
import type { PackageFiles } from './package-files.ts';
import type { Populations } from './populations.ts';
import { LineReader } from './readers.ts';

/** By which records a rule finds something. Others are those of rules that this version does not know, or that any may give. */
const RECORDS: Readonly<Partial<Record<AlertRuleName, readonly string[]>>> = {
  first_verb: ['command.intent'],
  first_object: ['command.intent'],
  first_network: ['session.opened'],
  first_hour: ['session.opened', 'command.intent'],
  first_client: ['session.opened'],
  human_client: ['session.opened'],
  human_pace: ['session.opened', 'command.intent', 'command.denied'],
  concurrent: ['session.opened', 'command.intent', 'command.denied'],
  denials: ['command.denied', 'session.refused'],
  failed_logins: ['session.refused'],
  cloned_key: ['binding.locked'],
};

type What = Pick<LeafRecord, 'type' | 'principal'>;

/**
 * Looks up each leaf that an alert names: it must be a record of the alert's principal, of a kind by which the rule finds something,
 * and not come after the last leaf by which it was found.
 *
 * @param store the tiles of the package; has entries where the package is of a whole log
 */
export function checkAlerts(
  populations: Populations,
  manifest: Manifest,
  files: PackageFiles,
  store: TileFiles,
  check: Check,
): void {
  const alerts = populations.members('alert');
  const named = new Set([...alerts.values()].flatMap(({ state }) => leavesOf(state.leaves)));
  if (named.size === 0) return;
  const records =
    manifest.coverage === 'log' ? fromLog(store, manifest.log.size, named) : fromLines(files, named);
  for (const [id, { state, leaf: raised }] of alerts) {
    const principal = (state.principal as { readonly id?: unknown } | undefined)?.id;
    const rule = String(state.rule);
    const kinds = Object.hasOwn(RECORDS, rule) ? RECORDS[rule as AlertRuleName] : undefined;
    for (const leaf of leavesOf(state.leaves)) {
      check.looked();
      const what = records.get(leaf);
      const wrong = wrongOf(what, { leaf, last: Number(state.lastFound), principal, kinds });
      if (wrong === null) continue;
      const message = `The alert names leaf ${leaf}, ${wrong}.`;
      check.problem('populations/alerts.ndjson', message, { leaf: raised, record: id });
    }
  }
}

interface Claim {
  readonly leaf: number;
  readonly last: number;
  readonly principal: unknown;
  readonly kinds: readonly string[] | undefined;
}

function wrongOf(what: What | undefined, { leaf, last, principal, kinds }: Claim): string | null {
  if (what === undefined) return 'which is not in the package';
  if (leaf > last) return 'which comes after it was found';
  if (what.principal?.id !== principal) return 'which is a record of somebody else';
  return kinds === undefined || kinds.includes(what.type) ? null : `which is ${what.type}`;
}

const leavesOf = (leaves: unknown): readonly number[] =>
  Array.isArray(leaves) ? leaves.filter((leaf) => Number.isSafeInteger(leaf) && leaf >= 0) : [];

function fromLog(store: TileFiles, size: number, named: ReadonlySet<number>): ReadonlyMap<number, What> {
  const found = new Map<number, What>();
  let held = -1;
  let bundle: readonly Buffer[] = [];
  for (const leaf of [...named].sort((a, b) => a - b)) {
    if (leaf >= size) break;
    const n = Math.floor(leaf / TILE_WIDTH);
    if (n !== held) bundle = readBundle(store, n, size);
    held = n;
    const what = whatOf(bundle[leaf % TILE_WIDTH]);
    if (what !== null) found.set(leaf, what);
  }
  return found;
}

function readBundle(store: TileFiles, n: number, size: number): readonly Buffer[] {
  try {
    return store.readEntries(n, bundleWidth(n, size));
  } catch {
    return []; // That it is damaged or missing is told where leaves are read.
  }
}

function fromLines(files: PackageFiles, named: ReadonlySet<number>): ReadonlyMap<number, What> {
  const found = new Map<number, What>();
  if (files.size(FILES.leaves) === null) return found;
  const lines = new LineReader(files.open(FILES.leaves));
  for (let line = lines.next(); line !== null; line = lines.next()) {
    const leaf = Number(
      /^\{"v":1,"leaf":(\d{1,16}),/.exec(line.subarray(0, 40).toString('latin1'))?.[1] ?? -1,
    );
    const what = named.has(leaf) ? whatOf(line) : null;
    if (what !== null) found.set(leaf, what);
  }
  lines.close();
  return found;
}

function whatOf(entry: Buffer | undefined): What | null {
  if (entry === undefined) return null;
  try {
    const { type, principal } = JSON.parse(entry.toString('utf8')) as LeafRecord;
    return { type, ...(principal !== undefined && { principal }) };
  } catch {
    return null; // That it is no record is told where leaves are read.
  }
}
