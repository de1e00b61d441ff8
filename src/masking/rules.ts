/**
 * Mask rules compiled for one session. The order in which they count: the strictest transform wins (`TRANSFORMS`),
 * among equals the one that keeps less, then the pattern that says more literally, then the older rule. One rule that
 * denies probes denies them. So a further rule can only hide more: there is no rule that lifts another.
 */
import { globMatches } from '../core/glob.ts';
import type { DetectorName, Probes, Transform } from '../core/masks.ts';
import { TRANSFORMS } from '../core/masks.ts';
import type { MaskRuleView } from '../core/views.ts';
import { MaskKey } from './key.ts';
import { memberSpecificity } from './members.ts';
import {
  type ColumnPattern,
  matchesColumn,
  parseColumnPattern,
  parseNamePattern,
  plain,
} from './patterns.ts';

/** What happens to a value, and on the word of which rule. */
export interface CompiledMask {
  readonly rule: { readonly id: string; readonly name: string; readonly revision: number };
  readonly transform: Transform;
  readonly probes: Probes;
  /** What digests are made for: those of whole columns say nothing about those of content. */
  readonly domain: 'column' | 'content';
  readonly key: MaskKey;
  /** What may not be seen in what a milder mask of a column leaves. */
  readonly content?: readonly ContentMask[];
}

/** A mask for what detectors find in text. */
export interface ContentMask extends CompiledMask {
  readonly detectors: readonly DetectorName[];
}

export interface MaskPlan {
  /** False where no rule applies: results may pass untouched. */
  readonly any: boolean;
  /** Whether some rule is about columns. */
  readonly columns: boolean;
  /**
   * The mask of a column, or null. Where table or schema are not known, pass ''; patterns then match by what is known.
   *
   * @param names as the database has them, not folded
   */
  forColumn(schema: string, table: string, column: string): CompiledMask | null;
  /** Whether some rule is about members of documents, which have a name and no column. */
  readonly members: boolean;
  /**
   * The mask of a member of a document (JSON, a form), or null: names match as those of columns do, and a pattern of columns whose
   * schema is `*` is a path of the last two names. A `*` for the table stands for no name above too.
   *
   * @param parent the name of the member that it is in; null for none
   */
  forMember(parent: string | null, name: string): CompiledMask | null;
  /** Masks for text values of columns without a mask of their own. */
  readonly content: readonly ContentMask[];
}

interface Entry {
  readonly mask: CompiledMask;
  readonly columns: readonly ColumnPattern[];
  /** Those of the columns that are paths of members too. */
  readonly paths: readonly ColumnPattern[];
  readonly names: readonly string[];
}

/** Columns remembered per plan. A client can name any number of tables, so it is bounded. */
const REMEMBERED = 4096;
/** Longer names are not remembered: a service can name members as it likes. In characters. */
const LONG = 500;

/**
 * Compiles rules for the statements of one session and grant. The caller passes the rules that hold there.
 *
 * @param key the installation's mask key
 */
export function compileMasks(rules: readonly MaskRuleView[], key: Uint8Array): MaskPlan {
  const maskKey = new MaskKey(key);
  const entries: Entry[] = [];
  const content: ContentMask[] = [];
  for (const { id, name, revision, match, transform, probes, status } of rules) {
    if (status !== 'active') continue;
    const shared = { rule: { id, name, revision }, transform, probes, key: maskKey };
    const columns = match.columns.map(parseColumnPattern);
    const names = match.names.map(parseNamePattern);
    if (columns.length + names.length > 0) {
      const paths = columns.filter(({ parts: [schema] }) => !schema.quoted && schema.text === '*');
      entries.push({ mask: { ...shared, domain: 'column', content }, columns, paths, names });
    }
    if (match.detectors.length > 0) {
      content.push({ ...shared, domain: 'content', detectors: match.detectors });
    }
  }
  const members = entries.some(({ paths, names }) => paths.length + names.length > 0);
  const known = new Map<string, CompiledMask | null>();
  const remembered = (at: string, specific: (entry: Entry) => number): CompiledMask | null => {
    const before = known.get(at);
    if (before !== undefined) return before;
    const mask = find(entries, specific);
    if (at.length > LONG) return mask;
    if (known.size >= REMEMBERED) known.clear();
    known.set(at, mask);
    return mask;
  };
  content.sort((a, b) => byStrictness(a, b));
  return {
    any: entries.length + content.length > 0,
    columns: entries.length > 0,
    members,
    content,
    forColumn(schema, table, column) {
      if (entries.length === 0) return null;
      const names = [schema, table, column] as const;
      return remembered(`c${names.join('\0')}`, (entry) => specificity(entry.columns, entry.names, names));
    },
    forMember(parent, name) {
      if (!members) return null;
      return remembered(`m${JSON.stringify([parent, name])}`, ({ paths, names }) =>
        memberSpecificity(paths, names, parent, name),
      );
    },
  };
}

function find(entries: readonly Entry[], specific: (entry: Entry) => number): CompiledMask | null {
  let best: { readonly mask: CompiledMask; readonly literals: number } | null = null;
  let probes: Probes = 'allow';
  for (const entry of entries) {
    const { mask } = entry;
    const literals = specific(entry);
    if (literals < 0) continue;
    if (mask.probes === 'deny') probes = 'deny';
    const order = best === null ? -1 : byStrictness(mask, best.mask, literals, best.literals);
    if (order < 0) best = { mask, literals };
  }
  // A rule that allows probes does not lift the one that denies them.
  return best === null || best.mask.probes === probes ? (best?.mask ?? null) : { ...best.mask, probes };
}

/** How many literal characters the most literal pattern has that matches; -1 where none does. */
function specificity(
  columns: readonly ColumnPattern[],
  globs: readonly string[],
  names: readonly [string, string, string],
): number {
  let most = -1;
  for (const pattern of columns) {
    if (pattern.literals > most && matches(pattern, names)) most = pattern.literals;
  }
  if (most >= 0) return most;
  const name = plain(names[2]);
  return globs.some((glob) => globMatches(glob, name)) ? 0 : -1;
}

/** An unknown schema or table matches every pattern of it: what cannot be told apart is masked. */
function matches(
  pattern: ColumnPattern,
  [schema, table, column]: readonly [string, string, string],
): boolean {
  const [s, t] = pattern.parts;
  return matchesColumn(pattern, [schema === '' ? s.text : schema, table === '' ? t.text : table, column]);
}

/** Negative where `a` is the stricter of two masks, or comes first among equals. */
function byStrictness(a: CompiledMask, b: CompiledMask, literalsA = 0, literalsB = 0): number {
  return (
    strictness(a.transform) - strictness(b.transform) ||
    kept(a.transform) - kept(b.transform) ||
    literalsB - literalsA ||
    (a.rule.id < b.rule.id ? -1 : Number(a.rule.id > b.rule.id))
  );
}

const strictness = (transform: Transform): number => TRANSFORMS.indexOf(transform.kind);

/** How much a transform leaves, where it leaves anything: comparable within one kind only. */
function kept(transform: Transform): number {
  if (transform.kind === 'partial') return transform.keep;
  if (transform.kind !== 'generalise') return 0;
  return transform.prefix + (transform.date === 'month' ? 0.5 : 0) - transform.bucket / 1e16;
}
