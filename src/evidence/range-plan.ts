import { TILE_WIDTH } from '../ledger/tree.ts';
import { FILES } from './format.ts';
import type { PackageFiles, Span } from './package-files.ts';

/** A range of leaves with the rows that the log closed in it. */
export interface LeafRange {
  readonly from: number;
  /** Not included. */
  readonly to: number;
  readonly rows: Span;
  readonly csv: Span;
}

export interface RangePlan {
  readonly ranges: readonly LeafRange[];
  /** The rows of commands that were never answered: behind all others. */
  readonly unanswered: Pick<LeafRange, 'rows' | 'csv'>;
}

/** Looking through a leaf takes a sixteenth of the time of verifying it: so long is a range, to the one before it. */
const SHORTER = 0.94;
/** Most bytes between two rows that are looked through for where a row begins. */
const MOST = 1 << 24;
const FIRST = 1 << 14;

/** Where a row begins: line end, leaf, leaf of the outcome if any, decision. Only a hint, which what follows must bear out. */
const ROW =
  /\n\{"leaf":(\d{1,16}),"outcomeLeaf":(?:null|(\d{1,16})),"id":"[^"\n]{1,64}","time":"[^"\n]{1,64}","decision":"(allow|deny)"/;
const LINE = /\r\n(\d{1,16}),(\d{0,16}),[0-9a-f-]{36},[0-9TZ:.-]{20,40},(allow|deny),/;

/**
 * Cuts a log into ranges of whole bundles, which take about equally long, and looks up where their rows are. Whether these are all of their
 * rows is found when they are compared. Null where no place can be found.
 */
export function planRanges(files: PackageFiles, size: number, count: number): RangePlan | null {
  const bundles = Math.ceil(size / TILE_WIDTH);
  // Each range looks through the leaves before it as well: so each is shorter than the one before.
  const upTo = (ranges: number): number => 1 - SHORTER ** ranges;
  const ends = Array.from({ length: count }, (_, i) =>
    Math.min(size, Math.round((bundles * upTo(i + 1)) / upTo(count)) * TILE_WIDTH),
  );
  const keys = [...ends.slice(0, -1), Number.POSITIVE_INFINITY];
  const rows = spansOf(files, FILES.commands, ROW, keys);
  const csv = spansOf(files, FILES.commandsCsv, LINE, keys);
  if (rows === null || csv === null) return null;
  const spans = (i: number): RangePlan['unanswered'] => ({ rows: rows[i] as Span, csv: csv[i] as Span });
  const ranges = ends.map((to, i) => ({ from: ends[i - 1] ?? 0, to, ...spans(i) }));
  return { ranges, unanswered: spans(count) };
}

/** Cuts a file before the first row of each key. */
function spansOf(
  files: PackageFiles,
  path: string,
  row: RegExp,
  keys: readonly number[],
): readonly Span[] | null {
  const size = files.size(path);
  if (size === null) return null;
  const spans: Span[] = [];
  let from = 0;
  for (const key of keys) {
    const to = placeOf(files, path, row, key, from, size);
    if (to === null) return null;
    spans.push({ from, to });
    from = to;
  }
  return [...spans, { from, to: size }];
}

/** Where the first row begins that has this key or a larger one, as far as rows are sorted. */
function placeOf(
  files: PackageFiles,
  path: string,
  row: RegExp,
  key: number,
  from: number,
  size: number,
): number | null {
  let [low, high] = [from, size];
  let place = size;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const found = firstRow(files, path, row, middle, size);
    if (found === null) return null;
    if (found.key < key) low = found.at + 1;
    else {
      place = found.at;
      high = middle;
    }
  }
  return place;
}

/** The first row that begins at or behind a place; null where it would take too long to find one. */
function firstRow(
  files: PackageFiles,
  path: string,
  row: RegExp,
  from: number,
  size: number,
): { readonly at: number; readonly key: number } | null {
  // The line end before it belongs to what is looked for.
  const start = Math.max(0, from - 2);
  for (let length = FIRST; length <= MOST; length *= 4) {
    const to = Math.min(size, start + length);
    const text = (start === 0 ? '\n' : '') + read(files, path, { from: start, to });
    const shift = start === 0 ? -1 : 0;
    for (let at = 0; ; ) {
      const match = row.exec(text.slice(at));
      if (match === null) break;
      const begin = start + shift + at + match.index + match[0].search(/[^\r\n]/);
      if (begin >= from) return { at: begin, key: keyOf(match) };
      at += match.index + 1;
    }
    if (to === size) return { at: size, key: Number.POSITIVE_INFINITY };
  }
  return null;
}

/** The leaf that closed a command; nothing closed one that was let through and not answered. */
function keyOf([, leaf, outcome, decision]: RegExpExecArray): number {
  if (outcome !== undefined && outcome !== '') return Number(outcome);
  return decision === 'deny' ? Number(leaf) : Number.POSITIVE_INFINITY;
}

function read(files: PackageFiles, path: string, span: Span): string {
  const source = files.open(path, span);
  try {
    const bytes = Buffer.allocUnsafe(span.to - span.from);
    let length = 0;
    for (let more = -1; more !== 0 && length < bytes.length; length += more) {
      more = source.read(bytes.subarray(length));
    }
    return bytes.toString('latin1', 0, length);
  } finally {
    source.close();
  }
}
