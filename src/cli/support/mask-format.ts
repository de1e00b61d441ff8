import { transformWords } from '../../core/masks.ts';
import type { MaskRule } from './api-types.ts';
import { type Column, formatFields } from './table.ts';
import { formatTime } from './time.ts';

/** Where a rule holds: `ledger-db, report-bot`, or `everywhere`. */
function placeOf({ resource, principal, grant }: MaskRule): string {
  const place = [resource?.name, principal?.name, grant && `grant ${grant}`].filter(Boolean);
  return place.length === 0 ? 'everywhere' : place.join(', ');
}

/** Patterns that a line of the list names; `mask show` has all. */
const LISTED = 4;

function matchOf({ match }: MaskRule): string {
  const all = [...match.columns, ...match.names, ...match.detectors.map((name) => `${name} in text`)];
  const more = all.length - LISTED;
  return more > 0 ? `${all.slice(0, LISTED).join(', ')} and ${more} more` : all.join(', ');
}

export const MASK_COLUMNS: readonly Column<MaskRule>[] = [
  { title: 'mask', value: (row) => row.name },
  { title: 'revision', value: (row) => String(row.revision) },
  { title: 'where', value: placeOf, shrinkTo: 12 },
  { title: 'what', value: matchOf, shrinkTo: 16 },
  { title: 'transform', value: (row) => row.transform.kind },
  { title: 'probes', value: (row) => row.probes },
  { title: 'status', value: (row) => row.status },
];

export function describeMask(rule: MaskRule): string {
  const { match } = rule;
  return formatFields([
    ['mask', rule.name],
    ['id', rule.id],
    ['revision', String(rule.revision)],
    ['where', placeOf(rule)],
    ['columns', match.columns.join(', ') || null],
    ['column names', match.names.join(', ') || null],
    ['detectors', match.detectors.join(', ') || null],
    ['transform', transformWords(rule.transform)],
    ['probes', rule.probes],
    ['status', rule.statusReason === null ? rule.status : `${rule.status} (${rule.statusReason})`],
    ['made', formatTime(rule.createdAt)],
  ]);
}
