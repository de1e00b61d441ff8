/** Tables that more than one command shows. */

import type { Credential, Grant } from './api-types.ts';
import { pc } from './colors.ts';
import type { Column } from './table.ts';
import { formatTime } from './time.ts';

/** Who stands behind a grant: `Ada Boone, CHG-1042`. */
export function authorityOf(authority: Grant['authority'] | null): string {
  if (!authority) return '';
  const { rule, kind } = authority;
  const people = authority.approvers.map((person) => person.name);
  const by =
    rule === undefined
      ? []
      : [`${kind === 'emergency' ? 'emergency, ' : ''}policy ${rule.policy}/${rule.rule}`];
  const names = [...people, ...by].join(', ');
  return authority.ticket ? `${names}, ${authority.ticket}` : names;
}

/** Green for what is active. */
export function paintStatus(text: string, row: { readonly status: string }): string {
  return row.status === 'active' ? pc.green(text) : pc.yellow(text);
}

export const GRANT_COLUMNS: readonly Column<Grant>[] = [
  { title: 'grant', value: (row) => row.id },
  { title: 'principal', value: (row) => row.principal.name, shrinkTo: 10 },
  { title: 'resource', value: (row) => row.resource.name, shrinkTo: 8 },
  { title: 'scope', value: (row) => row.scope, shrinkTo: 12 },
  { title: 'conditions', value: (row) => Object.keys(row.conditions).length || null, align: 'right' },
  { title: 'status', value: (row) => row.status, paint: paintStatus },
  { title: 'until', value: (row) => formatTime(row.endedAt ?? row.end) },
  { title: 'authority', value: (row) => authorityOf(row.authority), shrinkTo: 10 },
];

export const CREDENTIAL_COLUMNS: readonly Column<Credential>[] = [
  { title: 'credential', value: (row) => row.id },
  { title: 'principal', value: (row) => row.principal.name, shrinkTo: 10 },
  { title: 'kind', value: (row) => row.kind },
  { title: 'proof', value: (row) => row.exchange?.kind ?? 'a person', shrinkTo: 6 },
  { title: 'grant', value: (row) => row.grant },
  { title: 'status', value: (row) => row.status, paint: paintStatus },
  { title: 'until', value: (row) => formatTime(row.expiresAt) },
];
