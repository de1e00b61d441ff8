import type { Unmanaged } from './api-types.ts';
import { type Column, type Field, formatFields } from './table.ts';
import { formatTime } from './time.ts';

export const UNMANAGED_COLUMNS: readonly Column<Unmanaged>[] = [
  { title: 'id', value: (row) => row.id },
  { title: 'kind', value: (row) => row.kind },
  { title: 'what', value: (row) => row.subject, shrinkTo: 12 },
  { title: 'at', value: (row) => row.resource.name, shrinkTo: 8 },
  { title: 'details', value: (row) => wordsOf(row.details), shrinkTo: 16 },
  { title: 'since', value: (row) => formatTime(row.firstSeenAt) },
  { title: 'status', value: statusOf },
];

export function describeUnmanaged(found: Unmanaged): string {
  const { id, kind, subject, resource, details, firstSeenAt, lastToldAt, reopened, disposition } = found;
  const fields: Field[] = [
    ['id', id],
    ['kind', kind],
    ['what', subject],
    ['at', resource.name],
    ...Object.entries(details).map(([name, value]): Field => [name, textOf(value)]),
    ['first seen', formatTime(firstSeenAt)],
    ['told last', formatTime(lastToldAt)],
    ['status', statusOf(found)],
    ['open again', reopened],
  ];
  if (disposition !== null) {
    fields.push(['said by', `${disposition.by.name}, ${formatTime(disposition.at)}: ${disposition.reason}`]);
  }
  return formatFields(fields.filter(([, value]) => value !== null));
}

function statusOf({ status, disposition }: Unmanaged): string {
  if (disposition?.until != null) return `${status} until ${formatTime(disposition.until)}`;
  return disposition?.owner == null ? status : `${status} by ${disposition.owner.name}`;
}

/** What holds, by its name; what has a value, with it. */
function wordsOf(details: Unmanaged['details']): string {
  return Object.entries(details)
    .filter(([, value]) => value !== false && value !== null && !(Array.isArray(value) && value.length === 0))
    .map(([name, value]) => (value === true ? name : `${name} ${textOf(value)}`))
    .join(', ');
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(textOf).join(', ');
  if (value === null) return 'not known';
  return typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value);
}
