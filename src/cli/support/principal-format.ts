import type { Principal } from './api-types.ts';
import { usageError } from './failure.ts';
import { type Field, formatFields } from './table.ts';
import { formatTime } from './time.ts';

/** Values of a flag that may be given several times, as they are. */
export const several = (text: string, previous: readonly string[] | undefined): readonly string[] => [
  ...(previous ?? []),
  text,
];

/** Tags given as `NAME=VALUE`. */
export function tagsOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      if (at > 0) return [pair.slice(0, at), pair.slice(at + 1)];
      throw usageError(`"${pair}" is not a tag`, 'Write NAME=VALUE, such as team=ledger.');
    }),
  );
}

const tagText = (tags: Principal['tags']): string =>
  Object.entries(tags)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ');

/** A principal, a field a line. */
export function describe(principal: Principal, ...more: readonly Field[]): string {
  const { owner, backupOwner } = principal;
  return formatFields([
    ['principal', principal.name],
    ['kind', principal.kind],
    ['owner', `${owner.name} <${owner.email}>`],
    ['backup', backupOwner && `${backupOwner.name} <${backupOwner.email}>`],
    ['purpose', principal.purpose],
    ['environment', principal.environment],
    ['status', principal.statusReason ? `${principal.status} (${principal.statusReason})` : principal.status],
    ...(principal.rehomeBy === null
      ? []
      : [['suspended', `at ${formatTime(principal.rehomeBy)}, unless another owner is named`] as const]),
    ['sponsor', principal.sponsor],
    ['tags', tagText(principal.tags)],
    ['expires', formatTime(principal.expiresAt)],
    ['review', principal.reviewIntervalDays === null ? null : `every ${principal.reviewIntervalDays} days`],
    ['since', formatTime(principal.createdAt)],
    ['id', principal.id],
    ...more,
  ]);
}
