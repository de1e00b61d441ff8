/** Decisions on many items, as a spreadsheet has them. */
import { REVIEW_DECISIONS, type ReviewDecision } from '../store/entities.ts';
import type { ReviewView, ShownReviewItem } from './support/api-types.ts';
import { csvRow } from './support/csv.ts';
import { readCsv, unguard } from './support/csv-read.ts';
import { CliError } from './support/failure.ts';

export interface Decision {
  readonly item: string;
  readonly kind: ReviewDecision['kind'];
  readonly reason: string;
  readonly view: string;
  readonly scope?: string;
  readonly owner?: string;
  readonly backupOwner?: string;
}

const COLUMNS = [
  ...['item', 'principal', 'resource', 'granted', 'end', 'commands', 'last_used', 'suggested', 'risks'],
  ...['view', 'decision', 'reason', 'scope', 'owner', 'backup_owner'],
];

/** To be filled in from `decision` on. */
export function worksheet(items: readonly ShownReviewItem[]): string {
  const lines = items.map(({ item, view }) => {
    const seen = view === null ? null : (JSON.parse(view.text) as ReviewView);
    const joined = (texts: readonly (string | null)[]): string =>
      texts.filter((text) => text !== null).join('; ');
    return csvRow([
      ...[item.id, item.principal.name, item.resource?.name ?? ''],
      joined(seen?.granted.map(({ scope }) => scope) ?? []),
      joined(seen?.granted.map(({ end }) => end) ?? []),
      seen?.used.reduce((sum, { commands }) => sum + commands, 0) ?? 0,
      seen?.principal.lastUsedAt ?? '',
      joined(seen?.used.map(({ suggested }) => suggested) ?? []),
      joined(seen?.risks.map(({ text }) => text) ?? []),
      ...[view?.sha256 ?? '', '', '', '', '', ''],
    ]);
  });
  return csvRow(COLUMNS) + lines.join('');
}

/** The decisions of a worksheet. @throws CliError that says in which line something is wrong, before anything is decided */
export function readDecisions(text: string): Decision[] {
  const [head, ...records] = readCsv(text);
  const at = (name: string): number => head?.cells.indexOf(name) ?? -1;
  const missing = ['item', 'view', 'decision', 'reason'].filter((name) => at(name) < 0);
  if (missing.length > 0) {
    throw new CliError('CLI_MALFORMED_CSV', `the first line names no ${missing.join(', ')}`);
  }
  const decisions: Decision[] = [];
  for (const { line, cells } of records) {
    const cell = (name: string): string => unguard(cells[at(name)] ?? '').trim();
    const kind = REVIEW_DECISIONS.find((each) => each === cell('decision'));
    if (cell('decision') === '') continue;
    if (kind === undefined) {
      throw new CliError('CLI_MALFORMED_CSV', `line ${line}: "${cell('decision')}" is not a decision`);
    }
    if (cell('reason') === '') throw new CliError('CLI_MALFORMED_CSV', `line ${line} has no reason`);
    const more = { scope: cell('scope'), owner: cell('owner'), backupOwner: cell('backup_owner') };
    decisions.push({
      ...{ item: cell('item'), kind, reason: cell('reason'), view: cell('view') },
      ...(Object.fromEntries(Object.entries(more).filter(([, value]) => value !== '')) as typeof more),
    });
  }
  return decisions;
}
